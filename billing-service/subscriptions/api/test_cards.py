"""Stripe's published test card numbers, and the test payment methods that stand for them.

Raw card numbers are refused by real accounts, and by us: a number is looked up here and forgotten.
Source: https://docs.stripe.com/testing
"""

from types import MappingProxyType

_BRANDS = {
    "4242424242424242": "pm_card_visa",
    "4000056655665556": "pm_card_visa_debit",
    "5555555555554444": "pm_card_mastercard",
    "5200828282828210": "pm_card_mastercard_debit",
    "5105105105105100": "pm_card_mastercard_prepaid",
    "378282246310005": "pm_card_amex",
    "6011111111111117": "pm_card_discover",
    "3056930009020004": "pm_card_diners",
    "3566002020360505": "pm_card_jcb",
    "6200000000000005": "pm_card_unionpay",
    # These have no payment method of their own; the one of their brand behaves alike.
    "2223003122003222": "pm_card_mastercard",
    "371449635398431": "pm_card_amex",
    "6011000990139424": "pm_card_discover",
    "6011981111111113": "pm_card_discover",
    "36227206271667": "pm_card_diners",
    "6200000000000047": "pm_card_unionpay",
    "6205500000000000004": "pm_card_unionpay",
}

_AUTHENTICATION = {
    "4000002500003155": "pm_card_authenticationRequiredOnSetup",
    "4000002760003184": "pm_card_authenticationRequired",
    "4000003800000446": "pm_card_authenticationRequiredSetupForOffSession",
    "4000008260003178": "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
    "4000000000003220": "pm_card_threeDSecure2Required",
    "4000008400001629": "pm_card_threeDSecureRequiredChargeDeclined",
}

_DECLINES = {
    "4000000000000002": "pm_card_visa_chargeDeclined",
    "4000000000009995": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "4000000000009987": "pm_card_visa_chargeDeclinedLostCard",
    "4000000000009979": "pm_card_visa_chargeDeclinedStolenCard",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard",
    "4000000000000127": "pm_card_chargeDeclinedIncorrectCvc",
    "4000000000000119": "pm_card_chargeDeclinedProcessingError",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4000000000006975": "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
}

# Of https://docs.stripe.com/radar/testing as well.
_FRAUD = {
    "4100000000000019": "pm_card_radarBlock",
    "4000000000004954": "pm_card_riskLevelHighest",
    "4000000000009235": "pm_card_riskLevelElevated",
}

_AFTER_THE_CHARGE = {
    "4000000000000259": "pm_card_createDispute",
    "4000000000002685": "pm_card_createDisputeProductNotReceived",
    "4000000000001976": "pm_card_createDisputeInquiry",
    "4000000000007726": "pm_card_pendingRefund",
    "4000000000005126": "pm_card_refundFail",
    "4000000000000077": "pm_card_bypassPending",
}

_COUNTRIES = {
    "4000000320000021": "ar",
    "4000000760000002": "br",
    "4000001240000000": "ca",
    "4000001520000001": "cl",
    "4000001700000003": "co",
    "4000001880000005": "cr",
    "4000002180000000": "ec",
    "4000004840008001": "mx",
    "4000005910000000": "pa",
    "4000006000000066": "py",
    "4000006040000068": "pe",
    "4000008580000003": "uy",
    "4000007840000001": "ae",
    "4000000400000008": "at",
    "4000000560000004": "be",
    "4000001000000000": "bg",
    "4000001120000005": "by",
    "4000001910000009": "hr",
    "4000001960000008": "cy",
    "4000002030000002": "cz",
    "4000002080000001": "dk",
    "4000002330000009": "ee",
    "4000002460000001": "fi",
    "4000002500000003": "fr",
    "4000002760000016": "de",
    "4000002920000005": "gi",
    "4000003000000030": "gr",
    "4000003480000005": "hu",
    "4000003720000005": "ie",
    "4000003800000008": "it",
    "4000004280000005": "lv",
    "4000004380000004": "li",
    "4000004400000000": "lt",
    "4000004420000006": "lu",
    "4000004700000007": "mt",
    "4000005280000002": "nl",
    "4000005780000007": "no",
    "4000006160000005": "pl",
    "4000006200000007": "pt",
    "4000006420000001": "ro",
    "4000007050000006": "si",
    "4000007030000001": "sk",
    "4000007240000007": "es",
    "4000007520000008": "se",
    "4000007560000009": "ch",
    "4000008260000000": "gb",
    "4000000360000006": "au",
    "4000001560000002": "cn",
    "4000003440000004": "hk",
    "4000003560000008": "in",
    "4000003920000003": "jp",
    "4000004580000002": "my",
    "4000005540000008": "nz",
    "4000007020000003": "sg",
    "4000001580000008": "tw",
}

PAYMENT_METHOD_BY_NUMBER = MappingProxyType(
    {
        **_BRANDS,
        **_AUTHENTICATION,
        **_DECLINES,
        **_FRAUD,
        **_AFTER_THE_CHARGE,
        **{number: f"pm_card_{country}" for number, country in _COUNTRIES.items()},
    }
)
