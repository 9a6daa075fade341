"""The golden tokens: which are accepted, and every attack that must be refused.

Each is a function from a `Forge` to a compact JWS, so the list serves any issuer and any verifier.
Where a hostile token is signed by the real key, only the thing its name says is wrong with it.
"""

import json
import time
from collections.abc import Callable, Mapping

from e2e.attacks.forge import ABSENT, Forge, encode

Make = Callable[[Forge], str]

YEAR_SECONDS = 365 * 86_400
_ANOTHER_USER = "11111111-2222-4333-8444-555555555555"

GOOD: Mapping[str, Make] = {
    "as issued": lambda forge: forge.token(),
    "members of the header in another order": lambda forge: forge.token(
        header=dict(reversed(forge.header.items()))
    ),
    "an unknown claim": lambda forge: forge.token({"colour": "green"}),
    "no session, as earlier releases issued": lambda forge: forge.token({"sid": ABSENT}),
    "further audiences": lambda forge: forge.token(
        {"aud": [*forge.example["aud"], "shipping-service"]}
    ),
    "a clock ten seconds ahead of ours": lambda forge: forge.token({"iat": int(time.time()) + 10}),
}

ALGORITHM: Mapping[str, Make] = {
    "alg none": lambda forge: forge.unsigned("none"),
    "alg None": lambda forge: forge.unsigned("None"),
    "alg nOnE": lambda forge: forge.unsigned("nOnE"),
    "alg empty": lambda forge: forge.unsigned(""),
    "alg null": lambda forge: forge.unsigned(None),
    "alg none over a real signature": lambda forge: forge.token(header={"alg": "none"}),
    "alg missing": lambda forge: forge.token(header={"alg": ABSENT}),
    "alg in lower case": lambda forge: forge.token(header={"alg": "rs256"}),
    "alg a list": lambda forge: forge.token(header={"alg": ["RS256"]}),
    "alg a number": lambda forge: forge.token(header={"alg": 256}),
    "HS256 with the public PEM": lambda forge: forge.mac(forge.key.public_pem),
    "HS256 with the public PEM, stripped": lambda forge: forge.mac(forge.key.public_pem.strip()),
    "HS256 with the public DER": lambda forge: forge.mac(forge.key.public_der),
    "HS256 with the JWK": lambda forge: forge.mac(json.dumps(forge.key.public_jwk).encode()),
    "HS256 with the kid": lambda forge: forge.mac(forge.key.kid.encode()),
    "HS256 with an empty secret": lambda forge: forge.mac(b""),
    "HS512 with the public PEM": lambda forge: forge.mac(forge.key.public_pem, algorithm="HS512"),
    "PS256 by the real key": lambda forge: forge.under("PS256"),
    "RS384 by the real key": lambda forge: forge.under("RS384"),
    "RS512 by the real key": lambda forge: forge.under("RS512"),
    "ES256 with zeros for a signature": lambda forge: ".".join(
        (*forge.token(header={"alg": "ES256"}).split(".")[:2], encode(bytes(64)))
    ),
}

HEADER: Mapping[str, Make] = {
    "jku of the attacker": lambda forge: forge.token(
        header={"kid": forge.stranger.kid, "jku": "http://127.0.0.1:9/jwks.json"},
        key=forge.stranger,
    ),
    "x5u of the attacker": lambda forge: forge.token(
        header={"kid": forge.stranger.kid, "x5u": "http://127.0.0.1:9/chain.pem"},
        key=forge.stranger,
    ),
    "embedded jwk of the attacker": lambda forge: forge.token(
        header={"jwk": forge.stranger.public_jwk}, key=forge.stranger
    ),
    "embedded jwk under the attacker's kid": lambda forge: forge.token(
        header={"kid": forge.stranger.kid, "jwk": forge.stranger.public_jwk}, key=forge.stranger
    ),
    "embedded x5c": lambda forge: forge.token(header={"x5c": ["MIIB"]}, key=forge.stranger),
    "crit naming exp": lambda forge: forge.token(header={"crit": ["exp"], "exp": 9999999999}),
    "crit naming an extension": lambda forge: forge.token(header={"crit": ["x"], "x": True}),
    "crit empty": lambda forge: forge.token(header={"crit": []}),
    "unencoded payload": lambda forge: forge.token(header={"b64": False, "crit": ["b64"]}),
    "kid missing": lambda forge: forge.token(header={"kid": ABSENT}),
    "kid unknown": lambda forge: forge.token(header={"kid": "B" * 43}, key=forge.stranger),
    "kid a path": lambda forge: forge.token(header={"kid": "../../../../../dev/null"}),
    "kid a path of the right length": lambda forge: forge.token(
        header={"kid": "../../../../../../../etc/ssl/private/key.pe"}
    ),
    "kid an SQL fragment": lambda forge: forge.token(header={"kid": "x' UNION SELECT 'secret' --"}),
    "kid with a line break": lambda forge: forge.token(header={"kid": forge.key.kid + "\n"}),
    "kid with a NUL": lambda forge: forge.token(header={"kid": forge.key.kid + "\0"}),
    "kid a number": lambda forge: forge.token(header={"kid": 1}),
    "kid a list": lambda forge: forge.token(header={"kid": [forge.key.kid]}),
    "kid null": lambda forge: forge.token(header={"kid": None}),
    "kid of 2 KiB": lambda forge: forge.token(header={"kid": "k" * 2048}),
    "kid twice": lambda forge: forge.twice("kid", "C" * 43, header=True),
    "typ of a refresh token": lambda forge: forge.token(header={"typ": "JWT"}),
    "typ missing": lambda forge: forge.token(header={"typ": ABSENT}),
    "typ a number": lambda forge: forge.token(header={"typ": 1}),
    "header an array": lambda forge: forge.signed(b'["RS256"]', b"{}"),
    "header not JSON": lambda forge: forge.signed(b"RS256", b"{}"),
    "header deeply nested": lambda forge: forge.signed(b"[" * 2000 + b"]" * 2000, b"{}"),
    "header not UTF-8": lambda forge: forge.signed(b'{"alg": "RS256", "kid": "\xff"}', b"{}"),
}

SIGNATURE: Mapping[str, Make] = {
    "another key under our kid": lambda forge: forge.token(key=forge.stranger),
    "signature missing": lambda forge: ".".join((*forge.segments()[:2], "")),
    "signature cut short": lambda forge: forge.token()[:-8],
    "signature of zeros": lambda forge: ".".join((*forge.segments()[:2], encode(bytes(256)))),
    "signature of another token": lambda forge: ".".join(
        (*forge.segments()[:2], forge.token({"colour": "red"}).split(".")[2])
    ),
    "payload edited into a superuser": lambda forge: forge.edited(
        is_staff=True, is_superuser=True, colour="red"
    ),
    "payload edited into another user": lambda forge: forge.edited(
        id=_ANOTHER_USER, sub=_ANOTHER_USER
    ),
    "payload edited to live on": lambda forge: forge.edited(exp=int(time.time()) + YEAR_SECONDS),
}

SHAPE: Mapping[str, Make] = {
    "one segment": lambda forge: forge.segments()[0],
    "two segments": lambda forge: ".".join(forge.segments()[:2]),
    "four segments": lambda forge: forge.token() + ".e30",
    "five segments, as an encrypted token": lambda forge: forge.token() + ".e30.e30",
    "dots alone": lambda _: "..",
    "a word": lambda _: "token",
    "a space inside": lambda forge: forge.token().replace(".", " .", 1),
    "padded segments": lambda forge: "=.".join(forge.segments()) + "==",
    "standard base64": lambda forge: forge.token().replace(".", "+.", 1),
    "JSON serialization": lambda forge: json.dumps(
        dict(zip(("protected", "payload", "signature"), forge.segments(), strict=True))
    ),
    "payload an array": lambda forge: forge.signed(json.dumps(forge.header).encode(), b"[1]"),
    "payload a string": lambda forge: forge.signed(json.dumps(forge.header).encode(), b'"admin"'),
    "payload empty": lambda forge: forge.signed(json.dumps(forge.header).encode(), b""),
    "payload not JSON": lambda forge: forge.signed(json.dumps(forge.header).encode(), b"{exp"),
    "payload not UTF-8": lambda forge: forge.signed(
        json.dumps(forge.header).encode(), b'{"\xff": 1}'
    ),
    "payload deeply nested": lambda forge: forge.signed(
        json.dumps(forge.header).encode(), b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"
    ),
    "id twice": lambda forge: forge.twice("id", _ANOTHER_USER),
    "exp twice": lambda forge: forge.twice("exp", int(time.time()) + YEAR_SECONDS),
}

TIME: Mapping[str, Make] = {
    "expired": lambda forge: forge.token(
        {"iat": int(time.time()) - 360, "exp": int(time.time()) - 60}
    ),
    "exp missing": lambda forge: forge.token({"exp": ABSENT}),
    "exp null": lambda forge: forge.token({"exp": None}),
    "exp a string": lambda forge: forge.token({"exp": "9999999999"}),
    "exp a fraction": lambda forge: forge.token({"exp": time.time() + 100.5}),
    "exp true": lambda forge: forge.token({"exp": True}),
    "exp a list": lambda forge: forge.token({"exp": [9999999999]}),
    "exp negative": lambda forge: forge.token({"exp": -1}),
    "exp 10^30": lambda forge: forge.with_text("exp", "1" + "0" * 30),
    "exp 1e400": lambda forge: forge.with_text("exp", "1e400"),
    "exp of 5,000 digits": lambda forge: forge.with_text("exp", "9" * 5000),
    "exp Infinity": lambda forge: forge.with_text("exp", "Infinity"),
    "exp NaN": lambda forge: forge.with_text("exp", "NaN"),
    "a lifetime of a year": lambda forge: forge.token({"exp": int(time.time()) + YEAR_SECONDS}),
    "iat missing": lambda forge: forge.token({"iat": ABSENT}),
    "iat a string": lambda forge: forge.token({"iat": "now"}),
    "iat true": lambda forge: forge.token({"iat": True}),
    "issued in the future": lambda forge: forge.token(
        {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 3900}
    ),
}

CLAIMS: Mapping[str, Make] = {
    "foreign issuer": lambda forge: forge.token({"iss": "https://issuer.example"}),
    "issuer with a slash more": lambda forge: forge.token({"iss": forge.example["iss"] + "/"}),
    "issuer a list": lambda forge: forge.token({"iss": [forge.example["iss"]]}),
    "issuer missing": lambda forge: forge.token({"iss": ABSENT}),
    "foreign audience": lambda forge: forge.token({"aud": ["shipping-service"]}),
    "audience that begins like ours": lambda forge: forge.token(
        {"aud": ["billing-service.example", "auth-service.example"]}
    ),
    "audiences in one string": lambda forge: forge.token({"aud": "auth-service billing-service"}),
    "audience empty": lambda forge: forge.token({"aud": []}),
    "audience null": lambda forge: forge.token({"aud": None}),
    "audience an object": lambda forge: forge.token({"aud": {"billing-service": True}}),
    "audience missing": lambda forge: forge.token({"aud": ABSENT}),
    "sub of another user": lambda forge: forge.token({"sub": _ANOTHER_USER}),
    "sub missing": lambda forge: forge.token({"sub": ABSENT}),
    "id missing": lambda forge: forge.token({"id": ABSENT}),
    "id not a UUID": lambda forge: forge.token({"id": "admin", "sub": "admin"}),
    "id a number": lambda forge: forge.token({"id": 1, "sub": 1}),
    "id in braces": lambda forge: forge.token(
        {"id": "{" + forge.example["id"] + "}", "sub": "{" + forge.example["id"] + "}"}
    ),
    "jti missing": lambda forge: forge.token({"jti": ABSENT}),
    "jti not a UUID": lambda forge: forge.token({"jti": "1"}),
    "jti a number": lambda forge: forge.token({"jti": 1}),
    "sid not a UUID": lambda forge: forge.token({"sid": "1"}),
    "sid null": lambda forge: forge.token({"sid": None}),
    "token_type missing": lambda forge: forge.token({"token_type": ABSENT}),
    "token_type refresh": lambda forge: forge.token({"token_type": "refresh"}),
    "token_type service": lambda forge: forge.token({"token_type": "service"}),
    "token_type a list": lambda forge: forge.token({"token_type": ["access"]}),
    "app_name missing": lambda forge: forge.token({"app_name": ABSENT}),
    "auth_epoch missing": lambda forge: forge.token({"auth_epoch": ABSENT}),
    "auth_epoch a string": lambda forge: forge.token({"auth_epoch": "1"}),
    "auth_epoch true": lambda forge: forge.token({"auth_epoch": True}),
}

HOSTILE: Mapping[str, Make] = {**ALGORITHM, **HEADER, **SIGNATURE, **SHAPE, **TIME, **CLAIMS}

# Too long for a header line or for the endpoint's body, which may be refused as such.
OVERSIZE: Mapping[str, Make] = {
    "kid of 8 KiB": lambda forge: forge.token(header={"kid": "k" * 8192}),
    "a claim of 9 KB": lambda forge: forge.token({"colour": "g" * 9000}),
    "a header line of 60 KB": lambda _: "a" * 60_000,
}
