"""Encryption and identification, against the examples of the RFCs and an independent reading."""

from base64 import urlsafe_b64decode
from random import Random
from unittest import TestCase

import jwt

from homeserver.push.pushers.tests.browser import Browser
from homeserver.push.pushers.web_push_crypto import (
    MOST_PLAINTEXT,
    Subscription,
    Vapid,
    encrypt,
    encrypt_freshly,
    private_key,
    public_bytes,
    read_subscription,
)
from homeserver.runtime.randomness import Randomness


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class EncryptionTests(TestCase):
    def test_the_example_of_the_rfc(self) -> None:
        """https://www.rfc-editor.org/rfc/rfc8291#appendix-A"""
        secret = decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
        # private_key() takes any 32 bytes, and moves them by one.
        sender = private_key((int.from_bytes(secret) - 1).to_bytes(32))
        receiver = read_subscription(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        )
        salt = decoded("DGv6ra1nlYgDCS1FRnbzlw")
        expected = decoded(
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w"
            "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        )
        self.assertEqual(
            encrypt(b"When I grow up, I want to be a watermelon", receiver, sender, salt), expected
        )

    def test_a_browser_can_read_it(self) -> None:
        browser = Browser()
        for text in (b"", b"hello", b"x" * MOST_PLAINTEXT):
            body = encrypt_freshly(text, browser.subscription, Randomness(Random(1)))
            self.assertLessEqual(len(body), 4096)
            self.assertEqual(browser.decrypt(body), text)

    def test_what_is_no_subscription(self) -> None:
        browser = Browser()
        for key, auth in (
            (browser.p256dh[:-4], browser.auth),
            (browser.p256dh, browser.auth[:-4]),
            ("A" * 87, browser.auth),
            ("", ""),
        ):
            with self.assertRaises(ValueError):
                read_subscription(key, auth)
        self.assertIsInstance(read_subscription(browser.p256dh, browser.auth), Subscription)


class VapidTests(TestCase):
    def test_the_token(self) -> None:
        """https://www.rfc-editor.org/rfc/rfc8292#section-2"""
        key = private_key(b"k" * 32)
        vapid = Vapid(key, "https://test.example")
        scheme, _, rest = vapid.authorization("https://push.example:8443/abc", 1_000).partition(" ")
        token, public = (part.strip()[2:] for part in rest.split(","))
        self.assertEqual((scheme, decoded(public)), ("vapid", public_bytes(key)))
        claims = jwt.decode(
            token,
            key.public_key(),
            algorithms=["ES256"],
            audience="https://push.example:8443",
            options={"verify_exp": False},
        )
        self.assertEqual((claims["sub"], claims["exp"]), ("https://test.example", 1_000 + 12 * 3600))

    def test_it_serves_for_hours(self) -> None:
        vapid = Vapid(private_key(b"k" * 32), "https://test.example")
        first = vapid.authorization("https://push.example/a", 0)
        self.assertEqual(vapid.authorization("https://push.example/b", 3600), first)
        self.assertNotEqual(vapid.authorization("https://push.example/b", 7 * 3600), first)
        self.assertNotEqual(vapid.authorization("https://other.example/b", 0), first)
