"""Create a short-lived key for a browser, and verify its signed form as a server does.

Run: python examples/token_for_the_browser.py [--emulator]
Cost: nothing; with --emulator no key is needed either. Verifying needs the extra "verify" (PyJWT).
"""

import sys

from _emulator import decart_client

from decart import TokenCreateError, TokenVerifyError, models

try:
    with decart_client() as client:
        token = client.tokens.create(
            expires_in=300,
            allowed_models=[models.video("lucy-2.5")],
            allowed_origins=["https://example.com"],
        )
        print(f"Created a key that expires at {token.expires_at:%H:%M:%S} UTC")  # token.api_key is for the page
        print(f"  restricted to: {token.permissions}")
        print(f"  its repr: {token}")  # the key is in no repr, log or pickle

        if token.token is None:
            sys.exit("The service sent no signed form.")
        verified = client.tokens.verify(token.token)
        print(f"Verified: for the models {verified.models}, on pages of {verified.origins}")

        head, payload, signature = token.token.split(".")
        try:
            client.tokens.verify(f"{head}.{payload}.{'A' * len(signature)}")
        except TokenVerifyError as error:
            print(f"Refused, as it is forged: {error.message}")
except TokenCreateError as error:
    sys.exit(f"No token: {error.message}")
