"""The pages: server-rendered, alive through htmx, whole without JavaScript."""
