"""The checks of `relay doctor`: each is one function that looks at one part of a stack and returns lines."""
