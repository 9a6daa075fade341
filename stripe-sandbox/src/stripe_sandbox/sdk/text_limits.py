"""Lengths and formats of text parameters.

Lengths come from the prose below a parameter where it names one, else the
limit is Stripe's general one. Formats go by the parameter's name.
Sources: https://docs.stripe.com/metadata#data, https://docs.stripe.com/currencies.
"""

import re
from functools import cache
from typing import Any

from stripe_sandbox.errors import InvalidParameter

_LONGEST = 5000
_LENGTH = re.compile(
    r"(?:up to|at most|maximum|maximum length is|max length,) \*?(\d+) characters", re.IGNORECASE
)

_KEYS, _KEY_LENGTH, _VALUE_LENGTH = 50, 40, 500

_CURRENCIES = (
    "usd, aed, afn, all, amd, ang, aoa, ars, aud, awg, azn, bam, bbd, bdt, bgn, bhd, bif, "
    "bmd, bnd, bob, brl, bsd, bwp, byn, bzd, cad, cdf, chf, clp, cny, cop, crc, cve, czk, "
    "djf, dkk, dop, dzd, egp, etb, eur, fjd, fkp, gbp, gel, gip, gmd, gnf, gtq, gyd, hkd, "
    "hnl, hrk, htg, huf, idr, ils, inr, isk, jmd, jod, jpy, kes, kgs, khr, kmf, krw, kwd, "
    "kyd, kzt, lak, lbp, lkr, lrd, lsl, mad, mdl, mga, mkd, mmk, mnt, mop, mur, mvr, mwk, "
    "mxn, myr, mzn, nad, ngn, nio, nok, npr, nzd, omr, pab, pen, pgk, php, pkr, pln, pyg, "
    "qar, ron, rsd, rub, rwf, sar, sbd, scr, sek, sgd, shp, sle, sos, srd, std, szl, thb, "
    "tjs, tnd, top, try, ttd, twd, tzs, uah, ugx, uyu, uzs, vnd, vuv, wst, xaf, xcd, xof, "
    "xpf, yer, zar, zmw"
)

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


@cache
def _longest(prose: str) -> int:
    found = _LENGTH.search(prose)
    return int(found[1]) if found else _LONGEST


def check_text(name: str, value: str, prose: str, path: str) -> None:
    """Refuse text that is too long or has not the format its name asks for.

    Args:
        name: The parameter's own name, such as `email`.
        value: What was sent, not empty.
        prose: The SDK's text about the parameter.
        path: The whole path, for the refusal.

    Raises:
        InvalidParameter: As Stripe does.
    """
    longest = _longest(prose)
    if len(value) > longest:
        raise InvalidParameter(
            f"Invalid string: {value[:10]}...{value[-10:]}; must be at most {longest} characters",
            param=path,
        )
    if (name == "email" or name.endswith("_email")) and not _EMAIL.fullmatch(value):
        raise InvalidParameter(f"Invalid email address: {value}", code="email_invalid", param=path)
    if name == "currency" and value.lower() not in _CURRENCIES.split(", "):
        raise InvalidParameter(
            f"Invalid currency: {value.lower()}. Stripe currently supports these currencies: "
            f"{_CURRENCIES}",
            param=path,
        )
    if (name == "url" or name.endswith("_url")) and not _URL.fullmatch(value):
        raise InvalidParameter("Not a valid URL", code="url_invalid", param=path)


def check_metadata(sent: dict[str, Any], path: str) -> None:
    """Refuse metadata whose keys or values are too long.

    Raises:
        InvalidParameter: As Stripe does.
    """
    for key, value in sent.items():
        if len(key) > _KEY_LENGTH:
            raise InvalidParameter(
                f"Metadata keys can have up to {_KEY_LENGTH} characters, but you passed in a key "
                f"that is {len(key)} characters. Invalid key: {key}",
                param=path,
            )
        if len(value) > _VALUE_LENGTH:
            raise InvalidParameter(
                f"Metadata values can have up to {_VALUE_LENGTH} characters, but you passed in a "
                f"value that is {len(value)} characters. Invalid value: {value}",
                param=path,
            )


def check_metadata_size(merged: dict[str, str]) -> None:
    """Refuse more metadata than an object can have.

    Raises:
        InvalidParameter: As Stripe does.
    """
    if len(merged) > _KEYS:
        raise InvalidParameter(
            f"Metadata can have up to {_KEYS} keys, but you've set {len(merged)}. "
            "Email us at support+metadata@stripe.com for more information.",
            param="metadata",
        )
