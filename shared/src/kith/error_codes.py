"""Every error code, of all services, of the gateway and of the edge.

In a problem it is `code`, and the end of `type`; in a GraphQL error `extensions.code`; in the schema the enumeration
ErrorCode, whose names are the codes in capitals with underscores. A code is part of the contract: it may be added, and
is never renamed.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    # The request as such
    BAD_REQUEST = "bad-request"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 - a code, not a secret
    FORBIDDEN = "forbidden"
    TENANT_REMOVED = "tenant-removed"
    USER_SUSPENDED = "user-suspended"
    NOT_FOUND = "not-found"
    CONTENT_GONE = "content-gone"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_TIMEOUT = "request-timeout"
    NOT_ACCEPTABLE = "not-acceptable"
    CONTENT_TOO_LARGE = "content-too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    HEADERS_TOO_LARGE = "headers-too-large"
    INVALID_QUERY = "invalid-query"
    """A GraphQL document that cannot be parsed, or does not fit the schema."""
    QUERY_TOO_COSTLY = "query-too-costly"
    """A GraphQL document that asks for more than one request may."""
    INVALID = "invalid"

    # Limits
    ATTACHMENTS_FULL = "attachments-full"
    TOO_MANY_REQUESTS = "too-many-requests"
    TOO_MANY_SUBSCRIPTIONS = "too-many-subscriptions"
    TOO_MANY_FIELDS = "too-many-fields"
    TOO_MANY_JOBS = "too-many-jobs"
    TOO_MANY_EVENTS = "too-many-events"
    TOO_MANY_HAPPENINGS = "too-many-happenings"
    TOO_MANY_OBSERVED = "too-many-observed"

    # Not the caller's doing
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"

    # Commands
    CONFLICT = "conflict"
    VERSION_MISMATCH = "version-mismatch"
    NOTHING_AMENDED = "nothing-amended"
    IDEMPOTENCY_KEY_IN_FLIGHT = "idempotency-key-in-flight"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"
    RECORD_ARCHIVED = "record-archived"
    RECORD_NOT_ARCHIVED = "record-not-archived"
    NOT_UNIQUE = "not-unique"

    # Contacts
    ALREADY_ERASED = "already-erased"
    CONSENT_ALREADY_GIVEN = "consent-already-given"
    CONSENT_ALREADY_RECORDED = "consent-already-recorded"
    CONSENT_NOT_GIVEN = "consent-not-given"
    CONSENT_NOT_REQUESTED = "consent-not-requested"
    CONTACT_MERGED = "contact-merged"
    CUSTOMER_MERGED = "customer-merged"
    FIELD_ALREADY_DEFINED = "field-already-defined"
    FIELD_NOT_READY = "field-not-ready"
    FIELD_REMOVED = "field-removed"
    LAST_ADMINISTRATOR = "last-administrator"
    POSSIBLE_DUPLICATE = "possible-duplicate"
    ROLE_ALREADY_DEFINED = "role-already-defined"
    ROLE_IN_USE = "role-in-use"
    ROLE_REMOVED = "role-removed"
    TEAM_IN_USE = "team-in-use"
    TEAM_REMOVED = "team-removed"
    USER_ALREADY_INVITED = "user-already-invited"
    USER_ALREADY_LINKED = "user-already-linked"
    USER_ALREADY_SUSPENDED = "user-already-suspended"
    USER_NOT_INVITED = "user-not-invited"
    USER_NOT_SUSPENDED = "user-not-suspended"

    # Sales
    ACTIVITY_NOT_PLANNED = "activity-not-planned"
    ACTIVITY_STILL_PLANNED = "activity-still-planned"
    DELIVERY_ALREADY_CANCELLED = "delivery-already-cancelled"
    GOAL_CLOSED = "goal-closed"
    GOAL_STILL_OPEN = "goal-still-open"
    INVOICE_NOT_DUE = "invoice-not-due"
    INVOICE_SETTLED = "invoice-settled"
    LEAD_CONVERTING = "lead-converting"
    LEAD_MOVE_NOT_ALLOWED = "lead-move-not-allowed"
    MILESTONE_CLOSED = "milestone-closed"
    MILESTONE_NOT_DUE = "milestone-not-due"
    MORE_THAN_IS_LEFT = "more-than-is-left"
    OPPORTUNITY_ALREADY_CLOSED = "opportunity-already-closed"
    OPPORTUNITY_LACKS_FIELD = "opportunity-lacks-field"
    OPPORTUNITY_STILL_OPEN = "opportunity-still-open"
    ORDER_DELIVERED_WHOLE = "order-delivered-whole"
    QUOTE_ALREADY_ACCEPTED = "quote-already-accepted"
    QUOTE_ALREADY_DECIDED = "quote-already-decided"
    QUOTE_NEEDS_APPROVAL = "quote-needs-approval"
    QUOTE_NO_LONGER_VALID = "quote-no-longer-valid"
    QUOTE_NOT_DRAFT = "quote-not-draft"
    QUOTE_NOT_OUT = "quote-not-out"
    STAGE_SKIPPED = "stage-skipped"
    SUBSCRIPTION_NOT_IN_FORCE = "subscription-not-in-force"
    SUBSCRIPTION_STILL_IN_FORCE = "subscription-still-in-force"
    TASK_ALREADY_CLOSED = "task-already-closed"
    TASK_STILL_OPEN = "task-still-open"

    # Service desk
    CASE_ALREADY_ASSIGNED = "case-already-assigned"
    CASE_ALREADY_CLOSED = "case-already-closed"
    CASE_ALREADY_RESOLVED = "case-already-resolved"
    CASE_ALREADY_STARTED = "case-already-started"
    CASE_ALREADY_WAITING = "case-already-waiting"
    CASE_NOT_RESOLVED = "case-not-resolved"
    PRIORITY_NOT_HIGHER = "priority-not-higher"

    # Analytics
    CURSOR_LOST = "cursor-lost"
    HEALTH_MODEL_RETIRED = "health-model-retired"
    MODEL_NOT_FITTED = "model-not-fitted"
    NOTHING_TO_PUBLISH = "nothing-to-publish"
    PLAYBOOK_NOT_STARTED = "playbook-not-started"
    PLAYBOOK_STARTED = "playbook-started"
    SIGNAL_DEFINED_ALREADY = "signal-defined-already"
    TOO_FEW_CHURNED = "too-few-churned"
    TOO_LITTLE_HISTORY = "too-little-history"
