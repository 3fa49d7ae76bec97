"""The browser interface: lays out, reads inputs, makes one workflow call, formats the answer."""

import os

# Before gradio is imported anywhere: nothing is reported to anybody, and nothing is asked from outside.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
