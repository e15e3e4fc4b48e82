"""The alarms of each CRM. Their words come from the table in `stack_template.crms`; edit the alarms here.

`alarms` is one section of template.yaml ("crm alarms"), and stands where the marks stand.
"""

from __future__ import annotations

from typing import Final

from stack_template.crms import CRMS, Crm

_ALARMS: Final = """\
  {Name}Unauthorised:
    Type: AWS::CloudWatch::Alarm
    Condition: Has{Name}
    Properties:
      AlarmName: !Sub ${{AWS::StackName}}-{target}-unauthorised
      AlarmDescription: >-
        critical {target}:auth: {refuses}. {remedy};
        what waits is applied then.
      Namespace: Relay
      MetricName: Misconfigured
      Dimensions: [{{Name: shop, Value: !Ref ShopDomain}}, {{Name: service, Value: {target}}}]
      Statistic: Maximum
      Period: 900
      EvaluationPeriods: 2
      DatapointsToAlarm: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref Alarms]
      OKActions: [!Ref Alarms]

  {Name}Late:
    Type: AWS::CloudWatch::Alarm
    Condition: Has{Name}
    Properties:
      AlarmName: !Sub ${{AWS::StackName}}-{target}-late
      AlarmDescription: >-
        warning {target}:lag: Changes for {called} have waited for more than an hour. Look at {look_at};
        nothing is lost, and what waits is applied when it answers again.
      Namespace: Relay
      MetricName: DeferredAge
      Dimensions: [{{Name: shop, Value: !Ref ShopDomain}}, {{Name: service, Value: {target}}}]
      Statistic: Maximum
      Period: 900
      EvaluationPeriods: 2
      DatapointsToAlarm: 1
      Threshold: 3600
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref Alarms]
      OKActions: [!Ref Alarms]

  {Name}VeryLate:
    Type: AWS::CloudWatch::Alarm
    Condition: Has{Name}
    Properties:
      AlarmName: !Sub ${{AWS::StackName}}-{target}-very-late
      AlarmDescription: >-
        critical {target}:lag:long: Changes for {called} have waited for more than 12 hours. After three days
        they go to the dead letters, to be redriven by hand: fix the cause before.
      Namespace: Relay
      MetricName: DeferredAge
      Dimensions: [{{Name: shop, Value: !Ref ShopDomain}}, {{Name: service, Value: {target}}}]
      Statistic: Maximum
      Period: 900
      EvaluationPeriods: 2
      DatapointsToAlarm: 1
      Threshold: 43200
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref Alarms]
      OKActions: [!Ref Alarms]

  {Name}Stuck:
    Type: AWS::CloudWatch::Alarm
    Condition: Has{Name}
    Properties:
      AlarmName: !Sub ${{AWS::StackName}}-{target}-stuck
      AlarmDescription: >-
        error {target}:stuck: Changes for {called} are not received from their queue. Look for errors of its
        function: it may time out, or be throttled.
      Namespace: AWS/SQS
      MetricName: ApproximateAgeOfOldestMessage
      Dimensions: [{{Name: QueueName, Value: !GetAtt {Name}Queue.QueueName}}]
      Statistic: Maximum
      Period: 300
      EvaluationPeriods: 2
      Threshold: 3600
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref Alarms]
      OKActions: [!Ref Alarms]
"""


def alarms() -> str:
    """Return the alarms of every CRM."""
    return "\n".join(_of(crm) for crm in CRMS)


def _of(crm: Crm) -> str:
    words = crm.words
    return _ALARMS.format(
        Name=crm.name,
        target=crm.target,
        called=words.called,
        refuses=words.refuses,
        remedy=words.remedy,
        look_at=words.look_at,
    )
