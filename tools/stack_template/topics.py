"""The topics' part of template.yaml: a queue, a role and a function for each, and who else knows the queue.

The topics are those of `relay.topics`. A function is described by the first sentence of its module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from relay.topics import FOLDERS, queue_variable

ROOT: Final = Path(__file__).resolve().parents[2]

_BLOCK: Final = """\
  # {topic}
  {Name}Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub ${{AWS::StackName}}-{folder}
      VisibilityTimeout: 180
      MessageRetentionPeriod: 345600
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 20}}
      SqsManagedSseEnabled: true
  {Name}Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}}, Action: sts:AssumeRole}}
      Policies:
        - PolicyName: {folder}
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action:
                  - sqs:ReceiveMessage
                  - sqs:GetQueueAttributes
                  - sqs:DeleteMessage
                  - sqs:DeleteMessageBatch
                  - sqs:SendMessage
                  - sqs:SendMessageBatch
                Resource: !GetAtt {Name}Queue.Arn
              - {{Effect: Allow, Action: [sqs:SendMessage, sqs:SendMessageBatch], Resource: !GetAtt DeadLetters.Arn}}
              # A delivery of another topic is handed on to its own queue.
              - Effect: Allow
                Action: [sqs:SendMessage, sqs:SendMessageBatch]
                Resource:
{arns}              - {{Effect: Allow, Action: dynamodb:BatchGetItem, Resource: !GetAtt Members.Arn}}
              # Members, and never the rules, which the operator alone writes.
              - Effect: Allow
                Action: dynamodb:PutItem
                Resource: !GetAtt Members.Arn
                Condition: {{"ForAllValues:StringLike": {{dynamodb:LeadingKeys: [!Sub "${{ShopDomain}}:*"]}}}}
              # How often a message was tried that may have ended its function: items that expire, beside the incidents.
              - Effect: Allow
                Action: dynamodb:UpdateItem
                Resource: !GetAtt Incidents.Arn
                Condition: {{"ForAllValues:StringLike": {{dynamodb:LeadingKeys: ["try#*"]}}}}
              - {{Effect: Allow, Action: firehose:PutRecordBatch, Resource: !GetAtt Journal.Arn}}
              - {{Effect: Allow, Action: [logs:CreateLogStream, logs:PutLogEvents], Resource: !GetAtt Logs.Arn}}
  {Name}Function:
    Type: AWS::Serverless::Function
    Metadata: {{SkipBuild: true}}
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{folder}
      Description: "{description}"
      CodeUri: functions/{folder}
      Layers: [!Ref SharedLayer]
      Role: !GetAtt {Name}Role.Arn
      RecursiveLoop: Allow
      Environment:
        Variables:
          POWERTOOLS_SERVICE_NAME: {folder}
          SOURCE_URL: !Ref {Name}Queue
          SOURCE_NAME: {folder}
          DEAD_LETTERS_URL: !Ref DeadLetters
          TRIES_TABLE: !Ref Incidents
          MEMBERS_TABLE: !Ref Members
          JOURNAL_STREAM: !Ref Journal
{queues}{more}      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt {Name}Queue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: !If [LimitsTopics, {{MaximumConcurrency: !Ref TopicConcurrency}}, !Ref AWS::NoValue]
"""


_MORE_VARIABLES: Final = {
    "updated": """\
          # An erasure in a webhook is then a claim that the API has to confirm.
          ASKS_API: !If [HasInveterate, "yes", ""]
"""
}
"""By folder, what a topic's function needs beyond what all of them need."""


def logical_name(folder: str) -> str:
    """Return how the logical ids of a topic's resources begin: `ChangedTier` for `changed_tier`."""
    return "".join(word.capitalize() for word in folder.split("_"))


def blocks() -> str:
    """Return the queue, the role and the function of each topic."""
    return "\n".join(
        _BLOCK.format(
            topic=topic,
            folder=folder,
            Name=logical_name(folder),
            description=_description(folder),
            arns=queue_arns(18),
            queues=queue_variables(10),
            more=_MORE_VARIABLES.get(folder, ""),
        )
        for topic, folder in FOLDERS.items()
    )


def queue_arns(indent: int) -> str:
    """Return a list of the topics' queues, for a role that may send to them."""
    return _lines(indent, lambda folder: f"- !GetAtt {logical_name(folder)}Queue.Arn")


def queue_variables(indent: int) -> str:
    """Return the environment variables that hold the URLs of the topics' queues."""
    return _lines(indent, lambda folder: f"{queue_variable(folder)}: !Ref {logical_name(folder)}Queue")


def outputs() -> str:
    """Return the outputs that hold the URLs of the topics' queues."""
    return _lines(2, _output)


def _output(folder: str) -> str:
    name = logical_name(folder)
    return f"{name}Url: {{Description: The queue of the topic {folder}, Value: !Ref {name}Queue}}"


def _lines(indent: int, line: Callable[[str], str]) -> str:
    return "".join(f"{' ' * indent}{line(folder)}\n" for folder in FOLDERS.values())


def _description(folder: str) -> str:
    """Return the first sentence of the module's docstring, without its full stop.

    Raises:
        ValueError: the module has no docstring, or Lambda or YAML would not take the sentence.

    """
    module = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    first_line = (ast.get_docstring(module) or "").partition("\n")[0]
    sentence = re.split(r"\.(?: |$)", first_line, maxsplit=1)[0]
    if not re.fullmatch(r'[^"\\]{1,256}', sentence):
        raise ValueError(f"functions/{folder}/app.py cannot be described by its first sentence: {sentence!r}")
    return sentence
