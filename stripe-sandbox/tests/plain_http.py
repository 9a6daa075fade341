"""httpx without certificates, which the sandbox has no use for and which take long to load."""

import ssl
from functools import partial

import httpx

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Client = partial(httpx.Client, verify=_TLS)
get = partial(httpx.get, verify=_TLS)
post = partial(httpx.post, verify=_TLS)
request = partial(httpx.request, verify=_TLS)
