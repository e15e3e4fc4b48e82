"""The CRMs' part of template.yaml: parameters, rules, conditions, the block of resources of each, and outputs."""

from __future__ import annotations

from textwrap import indent
from typing import Final

from stack_template.crms import CRMS, Crm

_BLOCK: Final = """\
  {Name}Queue:
    Type: AWS::SQS::Queue
    Condition: Has{Name}
    Properties:
      QueueName: !Sub ${{AWS::StackName}}-{target}
      VisibilityTimeout: 360
      MessageRetentionPeriod: 345600
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt DeadLetters.Arn, maxReceiveCount: 5}}
      SqsManagedSseEnabled: true

  {Name}QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Condition: Has{Name}
    Properties:
      Queues: [!Ref {Name}Queue]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {{Service: sns.amazonaws.com}}
            Action: sqs:SendMessage
            Resource: !GetAtt {Name}Queue.Arn
            Condition: {{ArnEquals: {{aws:SourceArn: !Ref Changes}}}}

  {Name}Subscription:
    Type: AWS::SNS::Subscription
    Condition: Has{Name}
    Properties:
      TopicArn: !Ref Changes
      Protocol: sqs
      Endpoint: !GetAtt {Name}Queue.Arn
      RawMessageDelivery: true
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt DeadLetters.Arn}}

  {Name}Role:
    Type: AWS::IAM::Role
    Condition: Has{Name}
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}}, Action: sts:AssumeRole}}
      Policies:
        - PolicyName: {target}
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
              - {{Effect: Allow, Action: dynamodb:BatchGetItem, Resource: !GetAtt Members.Arn}}
              # How often a message was tried that may have ended its function: items that expire, beside the incidents.
              - Effect: Allow
                Action: dynamodb:UpdateItem
                Resource: !GetAtt Incidents.Arn
                Condition: {{"ForAllValues:StringLike": {{dynamodb:LeadingKeys: ["try#*"]}}}}
              # Its own items alone: sync states, circuit, rate limits, and the progress of its runs.
              - Effect: Allow
                Action: [dynamodb:BatchGetItem, dynamodb:UpdateItem]
                Resource: !GetAtt Mirrors.Arn
                Condition:
                  "ForAllValues:StringLike":
                    dynamodb:LeadingKeys: ["sync#{target}#*", "circuit#{target}", "rate#{target}#*", "run#{target}#*"]
              # An audit reads all sync states, a page at a time; a scan has no key that a condition could name.
              - {{Effect: Allow, Action: dynamodb:Scan, Resource: !GetAtt Mirrors.Arn}}
              # A missing e-mail address is requested from reconcile; this function may not read the API's key.
              - !If
                - HasInveterate
                - {{Effect: Allow, Action: [sqs:SendMessage, sqs:SendMessageBatch], Resource: !GetAtt ReconcileQueue.Arn}}
                - !Ref AWS::NoValue
              - Effect: Allow
                Action: ssm:GetParameter
                Resource: !Sub arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter${{{Name}Secret}}
              - Effect: Allow
                Action: kms:Decrypt
                Resource: !Sub arn:${{AWS::Partition}}:kms:${{AWS::Region}}:${{AWS::AccountId}}:key/*
                Condition:
                  StringEquals:
                    kms:ViaService: !Sub ssm.${{AWS::Region}}.amazonaws.com
                    kms:EncryptionContext:PARAMETER_ARN: !Sub arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter${{{Name}Secret}}
              - {{Effect: Allow, Action: [logs:CreateLogStream, logs:PutLogEvents], Resource: !GetAtt Logs.Arn}}

{why}
  {Name}Function:
    Type: AWS::Serverless::Function
    Condition: Has{Name}
    Metadata: {{SkipBuild: true}}
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{target}
      Description: {does}
      CodeUri: functions/crm_sync
      Layers: [!Ref SharedLayer]
      Role: !GetAtt {Name}Role.Arn
      Timeout: 60
      RecursiveLoop: Allow
      Environment:
        Variables:
          POWERTOOLS_SERVICE_NAME: {target}
          SOURCE_URL: !Ref {Name}Queue
          SOURCE_NAME: {target}
          DEAD_LETTERS_URL: !Ref DeadLetters
          TRIES_TABLE: !Ref Incidents
          MEMBERS_TABLE: !Ref Members
          MIRRORS_TABLE: !Ref Mirrors
          TARGET: {target}
          TIME_ZONE: !Ref TimeZone
{variables}
          RECHECKS_URL: !If [HasInveterate, !Ref ReconcileQueue, ""]
          RECHECK_DELAY: !Ref RecheckDelay
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt {Name}Queue.Arn
            BatchSize: {batch_size}
            MaximumBatchingWindowInSeconds: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {{MaximumConcurrency: 2}}
"""

_TARGETS: Final = """\
  Targets:
    # A list, so that the rules below can test whether a target is in it. The pattern is that of each name: a
    # misspelt target would silently mirror nothing, so the names that work are listed here.
    Type: CommaDelimitedList
    Default: ""
    Description: "Where to mirror members to, by commas. Known: {known}. Empty for none."
    AllowedPattern: ^({pattern})?$
    ConstraintDescription: one or more of {known}, by commas, without blanks
"""

_CONDITION: Final = """\
  Has{Name}: !And
    - !Not [!Equals [!Ref {Name}Secret, ""]]
    - !Not [!Equals [!Join ["", !Split [{target}, !Join [",", !Ref Targets]]], !Join [",", !Ref Targets]]]
"""


def parameters() -> str:
    """Return the parameter Targets, and the parameters of every CRM."""
    targets = [crm.target for crm in CRMS]
    text = _TARGETS.format(known=", ".join(targets), pattern="|".join(targets))
    for crm in CRMS:
        for setting in crm.settings:
            text += f"  {crm.name}{setting.name}:\n    Type: String\n{indent(setting.definition, '    ')}\n"
    return text


def rules() -> str:
    """Return a rule for every CRM: what a deployment with this target needs."""
    text = ""
    for crm in CRMS:
        text += f"  {crm.name}NeedsItsSettings:\n    RuleCondition: !Contains [!Ref Targets, {crm.target}]\n"
        text += "    Assertions:\n"
        for setting in crm.settings:
            if setting.needed_as:
                name = f"{crm.name}{setting.name}"
                text += f'      - Assert: !Not [!Equals [!Ref {name}, ""]]\n'
                text += (
                    f"        AssertDescription: The target {crm.target} needs {name}, {setting.needed_as}.\n"
                )
    return text


def conditions() -> str:
    """Return the condition under which the resources of each CRM exist."""
    return "".join(_CONDITION.format(Name=crm.name, target=crm.target) for crm in CRMS)


def blocks() -> str:
    """Return the queue, its policy, the subscription, the role and the function of each CRM."""
    return "\n".join(_block(crm) for crm in CRMS)


def queue_arns(spaces: int) -> str:
    """Return a list of the CRMs' queues, for a role that may send to those that exist."""
    arns = "".join(f"- !If [Has{crm.name}, !GetAtt {crm.name}Queue.Arn, !Ref AWS::NoValue]\n" for crm in CRMS)
    return indent(arns, " " * spaces)


def queue_urls(spaces: int) -> str:
    """Return a list of the URLs of the CRMs' queues; empty texts for those that do not exist."""
    return indent("".join(f'- !If [Has{crm.name}, !Ref {crm.name}Queue, ""]\n' for crm in CRMS), " " * spaces)


def outputs() -> str:
    """Return the outputs that hold the URLs of the CRMs' queues."""
    return "".join(
        f"  {crm.name}QueueUrl:\n    Condition: Has{crm.name}\n"
        f"    Description: The queue of changes for {crm.name}\n    Value: !Ref {crm.name}Queue\n"
        for crm in CRMS
    )


def _block(crm: Crm) -> str:
    variables = "".join(
        f"{crm.target.upper()}_{setting.variable}: !Ref {crm.name}{setting.name}\n"
        for setting in crm.settings
    )
    return _BLOCK.format(
        Name=crm.name,
        target=crm.target,
        does=crm.does,
        why=indent(crm.why, "  # "),
        batch_size=crm.batch_size,
        variables=indent(variables.rstrip("\n"), " " * 10),
    )
