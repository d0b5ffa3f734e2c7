"""The Gradio chat; the only folder that imports gradio."""
