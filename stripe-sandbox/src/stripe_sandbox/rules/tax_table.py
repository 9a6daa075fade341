"""The taxes that automatic tax knows: a small table, one standard rate a place.

It is there to make taxes appear where Stripe would show some, not to be right to the cent: no
local taxes in the United States, no provincial sales tax in Canada, no reduced rates.
"""

from typing import NamedTuple


class Tax(NamedTuple):
    """One place's standard rate."""

    country: str
    state: str | None
    percentage: float
    tax_type: str
    display_name: str


# Percent of value added tax in the European Union.
_VAT = {
    "AT": 20,
    "BE": 21,
    "BG": 20,
    "CY": 19,
    "CZ": 21,
    "DE": 19,
    "DK": 25,
    "EE": 24,
    "ES": 21,
    "FI": 25.5,
    "FR": 20,
    "GR": 24,
    "HR": 25,
    "HU": 27,
    "IE": 23,
    "IT": 22,
    "LT": 21,
    "LU": 17,
    "LV": 21,
    "MT": 18,
    "NL": 21,
    "PL": 23,
    "PT": 23,
    "RO": 21,
    "SE": 25,
    "SI": 22,
    "SK": 23,
}
EUROPEAN_UNION = frozenset(_VAT)

_ELSEWHERE = {
    "AU": Tax("AU", None, 10, "gst", "GST"),
    "CH": Tax("CH", None, 8.1, "vat", "VAT"),
    "GB": Tax("GB", None, 20, "vat", "VAT"),
    "IN": Tax("IN", None, 18, "igst", "IGST"),
    "JP": Tax("JP", None, 10, "jct", "JCT"),
    "NO": Tax("NO", None, 25, "vat", "VAT"),
    "NZ": Tax("NZ", None, 15, "gst", "GST"),
    "SG": Tax("SG", None, 9, "gst", "GST"),
}

# The states' own rates in percent.
_SALES_TAX = {
    "AL": 4,
    "AR": 6.5,
    "AZ": 5.6,
    "CA": 7.25,
    "CO": 2.9,
    "CT": 6.35,
    "DC": 6,
    "FL": 6,
    "GA": 4,
    "HI": 4,
    "IA": 6,
    "ID": 6,
    "IL": 6.25,
    "IN": 7,
    "KS": 6.5,
    "KY": 6,
    "LA": 5,
    "MA": 6.25,
    "MD": 6,
    "ME": 5.5,
    "MI": 6,
    "MN": 6.875,
    "MO": 4.225,
    "MS": 7,
    "NC": 4.75,
    "ND": 5,
    "NE": 5.5,
    "NJ": 6.625,
    "NM": 4.875,
    "NV": 6.85,
    "NY": 4,
    "OH": 5.75,
    "OK": 4.5,
    "PA": 6,
    "RI": 7,
    "SC": 6,
    "SD": 4.2,
    "TN": 7,
    "TX": 6.25,
    "UT": 4.85,
    "VA": 4.3,
    "VT": 6,
    "WA": 6.5,
    "WI": 5,
    "WV": 6,
    "WY": 4,
    "AK": 0,
    "DE": 0,
    "MT": 0,
    "NH": 0,
    "OR": 0,
}

# The first three digits of the postal codes of each state; a later range wins.
_ZIP_RANGES = (
    *((5, 5, "NY"), (10, 27, "MA"), (28, 29, "RI"), (30, 38, "NH"), (39, 49, "ME")),
    *((50, 59, "VT"), (60, 69, "CT"), (70, 89, "NJ"), (100, 149, "NY"), (150, 196, "PA")),
    *((197, 199, "DE"), (200, 205, "DC"), (201, 201, "VA"), (206, 219, "MD"), (220, 246, "VA")),
    *((247, 268, "WV"), (270, 289, "NC"), (290, 299, "SC"), (300, 319, "GA"), (320, 349, "FL")),
    *((350, 369, "AL"), (370, 385, "TN"), (386, 397, "MS"), (398, 399, "GA"), (400, 427, "KY")),
    *((430, 459, "OH"), (460, 479, "IN"), (480, 499, "MI"), (500, 528, "IA"), (530, 549, "WI")),
    *((550, 567, "MN"), (570, 577, "SD"), (580, 588, "ND"), (590, 599, "MT"), (600, 629, "IL")),
    *((630, 658, "MO"), (660, 679, "KS"), (680, 693, "NE"), (700, 714, "LA"), (716, 729, "AR")),
    *((730, 749, "OK"), (733, 733, "TX"), (750, 799, "TX"), (800, 816, "CO"), (820, 831, "WY")),
    *((832, 838, "ID"), (840, 847, "UT"), (850, 865, "AZ"), (870, 884, "NM"), (885, 885, "TX")),
    *((889, 898, "NV"), (900, 961, "CA"), (967, 968, "HI"), (970, 979, "OR"), (980, 994, "WA")),
    *((995, 999, "AK"),),
)

# The first letter of the postal codes of each Canadian province.
_CANADIAN = {
    "A": "NL",
    "B": "NS",
    "C": "PE",
    "E": "NB",
    "G": "QC",
    "H": "QC",
    "J": "QC",
    "K": "ON",
    "L": "ON",
    "M": "ON",
    "N": "ON",
    "P": "ON",
    "R": "MB",
    "S": "SK",
    "T": "AB",
    "V": "BC",
    "X": "NT",
    "Y": "YT",
}
_HARMONIZED = {"NB": 15, "NL": 15, "NS": 14, "ON": 13, "PE": 15}


def state_of(country: str, postal_code: str) -> str | None:
    """The state or province a postal code lies in, where taxes depend on it.

    Returns:
        None where the postal code is none of that country.
    """
    code = postal_code.strip().upper()
    if country == "CA":
        return _CANADIAN.get(code[:1])
    if len(code) < 5 or not code[:5].isdecimal():
        return None
    prefix = int(code[:3])
    found = [state for first, last, state in _ZIP_RANGES if first <= prefix <= last]
    return found[-1] if found else None


def tax_in(country: str, state: str | None) -> Tax | None:
    """The tax of a place; None where the table has none."""
    if country in _VAT:
        return Tax(country, None, _VAT[country], "vat", "VAT")
    if country == "US":
        return Tax("US", state, _SALES_TAX.get(state or "", 0), "sales_tax", "Sales Tax")
    if country == "CA" and state in _HARMONIZED:
        return Tax("CA", state, _HARMONIZED[state], "hst", "HST")
    if country == "CA":
        return Tax("CA", None, 5, "gst", "GST")
    return _ELSEWHERE.get(country)
