"""Pages that people see in their browser."""

from homeserver.http.endpoint import Answer
from homeserver.runtime.randomness import Randomness
from homeserver.templates.rendering import Templates

_NONCE_LENGTH = 24
# Nothing from elsewhere, no script or style but that of the page itself, and no page around it that could trick
# somebody into a click.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'{scripts}; style-src 'nonce-{nonce}'; img-src 'self'; "
    "frame-src {frames}; connect-src {frames}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Pages:
    """Makes answers of templates."""

    def __init__(self, templates: Templates, randomness: Randomness) -> None:
        self._templates = templates
        self._randomness = randomness

    def page(
        self, template: str, *, status: int = 200, trusted: tuple[str, ...] = (), **values: object
    ) -> Answer:
        """`trusted` are origins whose scripts and frames the page may have."""
        nonce = self._randomness.token(_NONCE_LENGTH)
        policy = _POLICY.format(
            nonce=nonce,
            scripts="".join(f" {origin}" for origin in trusted),
            frames=" ".join(trusted) or "'none'",
        )
        body = self._templates.render(template, nonce=nonce, **values)
        return Answer(
            status,
            body.encode(),
            (
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Security-Policy", policy),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                # Links to these pages hold what only their reader may know.
                ("Referrer-Policy", "no-referrer"),
                ("Cache-Control", "no-store"),
            ),
        )

    def message(self, title: str, text: str, *, status: int = 200) -> Answer:
        """A page that only says something."""
        return self.page("message.html", status=status, title=title, text=text)
