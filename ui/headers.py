"""The headers under which the app's own addresses hand out bytes: never run, and kept by the browser or not."""

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
KEPT = {**SAFE, "Cache-Control": "private, max-age=31536000, immutable"}
NOT_KEPT = {**SAFE, "Cache-Control": "no-store"}
# Opened alone, an image stands in a page that the browser makes and styles.
IMAGE_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
