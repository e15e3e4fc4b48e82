"""Writes what merchants build on: Salesforce's fields, to read and to deploy, the schema of the webhook, and what answers blame."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from relay.adapters.salesforce import SalesforceOrg
from relay.adapters.salesforce.mapping import FieldDefinition, definitions, names
from relay.adapters.webhook.mapping import schema

from scripts.provider_answers import answers_page

DOCS: Final = Path(__file__).parents[1] / "docs"
XMLNS: Final = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
PERMISSIONS: Final = "Relay_Membership"

HEAD: Final = """# Salesforce

The table at the end is written by `scripts/targets` from the adapter's own: change that, not this page.

Members become contacts, two hundred in a call, each under the external id `Membership_Key__c`
(`shop:customer`). A contact that the merchant has already, alone under the member's e-mail address and without a
key, becomes the member's; Relay never touches one under another shop's key. Relay writes its own fields, and the e-mail
address; a contact that it has to make bears the member's name and phone (without a name, "Member" and the customer's number), which you
may change. To others they are written by the weekly audit where the contact's own field is empty (`write_names` in the [rules](rules.md)
switches it off). A member's own contact always stays its own: an address is not unique, so a new one is written there, and a key that was emptied or edited
by hand is put back, unless another member or shop has it. A contact that you
delete is **not made again**: its member is `refused (contact_deleted)`, which the weekly audit finds as well. Restore it from the bin
and `relay mirror retry salesforce`, or name `salesforce` in the setting `remake_contacts` of the [rules](rules.md): then a deleted
contact is made again with the member's next change, or by the audit. A free contact with the member's address becomes the member's in any case.
What an erasure leaves of a contact is in [privacy.md](privacy.md#contacts-in-the-crms); to delete it (`erase_contacts: delete`), Relay's user
also needs the right to delete contacts, which the permission set does not give.

## Setting it up

1. An administrator deploys the fields and a permission set that may write them:
   `sf project deploy start --metadata-dir docs/salesforce`. (For `SalesforceObject=Member__c` they are written by
   `scripts/targets --object Member__c DIRECTORY`; that object's name field must be an auto number.)
2. A user for Relay gets the permission set "Relay membership", and may see and edit the contacts that members
   already have.
3. An external client app with the client-credentials flow (scope `api`) runs as that user.
4. `relay init acme`: name `salesforce`, the org's My Domain (`SalesforceUrl`, such as `https://acme.my.salesforce.com`), and
   the credentials, one secret: `{"client_id": "…", "client_secret": "…"}`. They are tested and stored.
5. `relay deploy acme`, then `relay mirror fill salesforce`. `SalesforceObject` is `Contact`, `Account` for person accounts,
   or an object of your own; `SalesforceVersion` is the API's.

## Good to know

* Relay defines no fields: that would take the right to customise the whole org. While one is missing, or hidden from
  its user, members wait, the alarm `misconfigured` opens, and the log says `unknown_property`; a newer Relay may bring a field to deploy first.
* Moments (Membership Joined, Store Credit Expiring, …) are not written: a task for each would spend the org's storage.
  A record-triggered flow on the fields starts what they would. Filling Salesforce with all members starts such flows too.
* Relay obeys your duplicate rules: a member that one keeps out waits as `duplicates_detected`. With
  `SalesforceAllowDuplicates=true` a rule that only warns lets it through. Several contacts with a
  new member's address, or its key, make it wait as `identity_conflict`: merge them.
* A lasting answer makes a member wait, with the code and the field by name (`required_field_missing Region__c`); only an address that
  no record can take and another shop's key refuse it ([every answer](answers.md#salesforce)). What waits is tried
  again after 15 minutes, an hour, four hours, then daily, and after two weeks it is refused; `relay mirror status salesforce
  --who` names each, and `relay mirror retry salesforce` tries them at once.
* A version that Salesforce has ended, or does not have yet, is named as `SalesforceVersion`, a wrong address as `SalesforceUrl`, refused
  credentials as `SalesforceSecret`; a page that is not Salesforce's own blames nothing.
* A name or a phone number that a rule of yours refuses is left out: the member arrives without it.
* The org's calls of 24 hours are shared by all that is connected to it. Two hundred known members cost two of them.
* A picklist takes what is not on its list; leave it so. A checkbox knows no "unknown": it is then not ticked. Texts are
  cut to their field.

## Three list views and flows to begin with

A record-triggered flow on the object, *when a record is updated to meet the conditions*:

| | list view or report | flow |
|---|---|---|
| a payment failed | `Membership_Payment_Status__c` is past_due, `Membership_Attempts_Left__c` is greater than 0 | when `Membership_Failed_Attempts__c` changes: an e-mail alert with `Membership_Manage_Url__c` and `Membership_Next_Attempt_At__c`; where `Membership_Attempts_Left__c` is 1, a task for the owner, due at `Membership_Final_Attempt_At__c` |
| credits expire | `Membership_Credits_Expiring__c` is greater than 0, `Membership_Credits_Expiring_At__c` is in the next 7 days | a scheduled path, 7 days before `Membership_Credits_Expiring_At__c`: an e-mail alert with the amount and the date |
| about to leave | `Membership_Status__c` is pending_cancellation | when `Membership_Status__c` becomes that: a task for the owner until `Membership_Pending_Cancel_At__c`, of high priority where `Membership_High_Value__c` is ticked |

## Fields

| profile | field | type |
|---|---|---|
"""


def page() -> str:
    """Return the page about Salesforce."""
    words = {each.name: _words(each) for each in definitions("Contact")}
    rows = (
        f"| {name} | `{theirs}` | {words.get(theirs, 'native')} |"
        for name, theirs in names("Contact").items()
    )
    return HEAD + "\n".join(rows) + "\n"


def _words(each: FieldDefinition) -> str:
    match each.type:
        case "Text":
            return f"Text({each.length})" + (
                ", external id, unique, case-insensitive" if each.external_id else ""
            )
        case "Number":
            return f"Number({each.digits},{each.decimals})"
        case "Picklist":
            return f"Picklist, not restricted: {', '.join(each.choices)}"
        case "DateTime":
            return "Date/Time"
        case _:
            return each.type


def deployable(object_name: str) -> dict[str, str]:
    """Return the files of a metadata deployment, by path."""
    fields = definitions(object_name)
    return {
        "package.xml": _file("Package", _package(object_name, fields)),
        f"objects/{object_name}.object": _file("CustomObject", map(_field, fields)),
        f"permissionsets/{PERMISSIONS}.permissionset": _file(
            "PermissionSet", _permissions(object_name, fields)
        ),
    }


def _file(root: str, parts: Iterator[str]) -> str:
    inside = "\n".join(f"    {line}" for part in parts for line in part.splitlines())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {XMLNS}>\n{inside}\n</{root}>\n'


def _package(object_name: str, fields: list[FieldDefinition]) -> Iterator[str]:
    yield _tag(
        "types",
        *(_tag("members", f"{object_name}.{each.name}") for each in fields),
        _tag("name", "CustomField"),
    )
    yield _tag("types", _tag("members", PERMISSIONS), _tag("name", "PermissionSet"))
    yield _tag("version", SalesforceOrg("").version)


def _field(each: FieldDefinition) -> str:
    parts = [("fullName", each.name), ("label", each.label), ("type", each.type)]
    if each.type == "Text":
        parts.append(("length", str(each.length)))
    elif each.type == "Number":
        parts += [("precision", str(each.digits + each.decimals)), ("scale", str(each.decimals))]
    elif each.type == "Checkbox":
        parts.append(("defaultValue", "false"))
    if each.external_id:
        parts += [("externalId", "true"), ("unique", "true"), ("caseSensitive", "false")]
    tags = [_tag(name, text) for name, text in parts]
    return _tag("fields", *tags, *([_choices(each)] if each.choices else []))


def _choices(each: FieldDefinition) -> str:
    values = (
        _tag("value", _tag("fullName", choice), _tag("default", "false"), _tag("label", choice))
        for choice in each.choices
    )
    return _tag(
        "valueSet",
        _tag("restricted", "false"),
        _tag("valueSetDefinition", _tag("sorted", "false"), *values),
    )


def _permissions(object_name: str, fields: list[FieldDefinition]) -> Iterator[str]:
    for each in fields:
        field = _tag("field", f"{object_name}.{each.name}")
        yield _tag("fieldPermissions", _tag("editable", "true"), field, _tag("readable", "true"))
    yield _tag("label", PERMISSIONS.replace("_m", " m").replace("_M", " m"))
    rights = {"allowCreate": "true", "allowDelete": "false", "allowEdit": "true", "allowRead": "true"}
    rights |= {"modifyAllRecords": "false", "object": object_name, "viewAllRecords": "true"}
    yield _tag("objectPermissions", *(_tag(name, text) for name, text in rights.items()))


def _tag(name: str, *inside: str) -> str:
    """Write an element: around a text on one line, around elements on lines of their own."""
    if len(inside) == 1 and not inside[0].startswith("<"):
        return f"<{name}>{escape(inside[0])}</{name}>"
    lines = (f"    {line}" for part in inside for line in part.splitlines())
    return "\n".join([f"<{name}>", *lines, f"</{name}>"])


def main(arguments: list[str]) -> int:
    """Write the files; with `--check`, return 1 when one is not current."""
    if arguments[:1] == ["--object"]:
        written = {Path(arguments[2]) / path: text for path, text in deployable(arguments[1]).items()}
    else:
        written = {DOCS / "salesforce" / path: text for path, text in deployable("Contact").items()}
        written[DOCS / "salesforce.md"] = page()
        written[DOCS / "answers.md"] = answers_page()
        written[DOCS / "webhook.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    for path, text in written.items():
        if "--check" in arguments:
            if not path.is_file() or path.read_text() != text:
                print(f"{path.name} is not current: run scripts/targets", file=sys.stderr)
                return 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
