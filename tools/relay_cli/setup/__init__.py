"""What `relay init` asks, how it tests each answer, and what it proposes from the programme."""
