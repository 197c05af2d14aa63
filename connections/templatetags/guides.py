"""Guides of support in pages: Markdown, of which HTML, pictures and dangerous links stay text."""

from django import template
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

register = template.Library()
_READER = MarkdownIt("commonmark", {"html": False}).disable(["image", "html_block", "html_inline"])


@register.filter
def markdown(text):
    """Render what support wrote. Links may lead elsewhere; they tell nobody where the reader came from."""
    return mark_safe(_READER.render(text or ""))  # noqa: S308 (the reader escapes everything else)
