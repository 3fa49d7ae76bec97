"""The browser interface: lays out, reads inputs, makes one workflow call, formats the answer."""

import gc
import os

# Before gradio is imported anywhere: nothing is reported to anybody, and nothing is asked from outside.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# Of gradio's import time a quarter is garbage collection that finds nothing: what a module makes, stays.
gc.disable()
import gradio as gradio  # noqa: E402

gc.enable()
gc.freeze()
