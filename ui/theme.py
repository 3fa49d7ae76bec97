"""Colours, sizes and fonts of the Gradio components; nothing is fetched from outside."""

import gradio as gr
from gradio.themes import LocalFont, sizes


def make_theme() -> gr.themes.Base:
    # Of the shipped fonts only few are complete; IBM Plex Sans is, at 400 and 700.
    theme = gr.themes.Base(
        primary_hue="blue",
        secondary_hue="slate",
        neutral_hue="slate",
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_sm,
        text_size=sizes.text_sm,
        font=[LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
    )
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_shadow="none",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        # The usual ones are dimmer than dim text.
        link_text_color_dark="*secondary_300",
        link_text_color_visited_dark="*secondary_300",
        block_padding="6px 8px",
        layout_gap="8px",
        form_gap_width="0px",
        input_padding="5px 8px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_width="1px",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_700",
        block_label_text_size="12px",
        block_title_text_size="12px",
        block_title_text_weight="500",
        button_large_padding="5px 12px",
        button_small_padding="2px 8px",
        button_large_text_size="*text_sm",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )
