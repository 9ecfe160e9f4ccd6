"""Why a member of a group is not served: stable words for conditions and tests."""

from enum import StrEnum


class Reason(StrEnum):
    """CamelCase reasons of withheld backends."""

    NAME_CLASH = "NameClash"
    BINDING_NOT_ALLOWED = "BindingNotAllowed"
    NAMED_CREDENTIALS = "NamedCredentials"
    HEADER_COLLISION = "HeaderCollision"
    UNSUPPORTED_TRANSPORT = "UnsupportedTransport"
    CA_BUNDLE_NOT_FOUND = "CaBundleNotFound"
    CA_BUNDLE_INVALID = "CaBundleInvalid"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, no secret
    SECRET_INVALID = "SecretInvalid"  # noqa: S105 - a reason, no secret
    POLICY_INVALID = "PolicyInvalid"
    ENTITIES_INVALID = "EntitiesInvalid"
    AUTH_CONFIG_NOT_FOUND = "ExternalAuthConfigNotFound"
    AUTH_CONFIG_INVALID = "ExternalAuthConfigInvalid"
    CALLER_TOKEN_NEEDED = "CallerTokenNeeded"  # noqa: S105 - a reason, no token
    RELAY_NOT_ALLOWED = "RelayNotAllowed"
    TOKEN_HOST_NOT_ALLOWED = "TokenHostNotAllowed"  # noqa: S105 - a reason, no token
    TELEMETRY_CONFIG_NOT_FOUND = "TelemetryConfigNotFound"
    TELEMETRY_CONFIG_INVALID = "TelemetryConfigInvalid"
    TOOL_CONFIG_NOT_FOUND = "ToolConfigNotFound"
    TOOL_CONFIG_INVALID = "ToolConfigInvalid"
    COMPOSITE_TOOL_NOT_FOUND = "CompositeToolRefNotFound"
    COMPOSITE_TOOL_INVALID = "CompositeToolRefInvalid"
    NO_LOCAL_COMMAND = "NoLocalCommand"
    INVALID_ENTRY = "InvalidEntry"
    INVALID_LOCAL_COMMAND = "InvalidLocalCommand"
