"""What the seed dialect calls each refusal, and with which status."""

from collections.abc import Mapping
from types import MappingProxyType

from router.core import errors
from router.http import body
from router.http.words import Word
from router.runtime import keys

WORDS: Mapping[type[errors.Refusal], Word] = MappingProxyType(
    {
        errors.UnknownOutcome: Word(404, "predexon_not_routable"),
        errors.NotEnoughFunds: Word(400, "insufficient_balance"),
        errors.NothingAllocated: Word(502, "no_allocations"),
        errors.RegistryDown: Word(503, "registry_unavailable"),
        errors.StoreUnavailable: Word(503, "store_unavailable"),
        errors.TooBusy: Word(429, "rate_limited"),
        errors.InProgress: Word(409, "in_progress"),
        errors.KeyReused: Word(422, "idempotency_key_reused"),
        errors.AccountSuspended: Word(503, "account_suspended"),
        errors.Stopping: Word(503, "shutting_down"),
        errors.RiskLimit: Word(400, errors.RiskLimit.word),
        errors.InvalidSize: Word(400, errors.InvalidSize.word),
        errors.PriceCollar: Word(400, errors.PriceCollar.word),
        errors.TooDeep: Word(400, errors.TooDeep.word),
        errors.TooFast: Word(429, errors.TooFast.word),
        errors.NotTradable: Word(400, errors.NotTradable.word),
        errors.ConfirmRequired: Word(400, errors.ConfirmRequired.word),
        errors.Halted: Word(503, errors.Halted.word),
    }
)
PARSE_ERROR = Word(400, "parse_error")
ACCESS_WORDS: Mapping[type[keys.Denied], Word] = MappingProxyType(
    {
        keys.NoKey: Word(401, "unauthorized"),
        keys.UnknownKey: Word(401, "invalid_api_key"),
        keys.ExpiredKey: Word(401, "api_key_expired"),
        keys.WrongAddress: Word(403, "address_not_allowed"),
        keys.WrongScope: Word(403, "scope_missing"),
        keys.NoAccount: Word(404, "account_not_found"),
        keys.NotOwned: Word(403, "account_not_owned"),
    }
)
BODY_WORDS: Mapping[type[body.BodyError], Word] = MappingProxyType(
    {
        body.Malformed: PARSE_ERROR,
        body.Torn: PARSE_ERROR,
        body.Late: Word(408, "request_timeout"),
        body.TooLarge: Word(413, "payload_too_large"),
        body.Foreign: Word(415, "unsupported_media_type"),
    }
)
