"""Guides of support in pages: Markdown, of which HTML, pictures and dangerous links stay text."""

from functools import cache

from django import template
from django.utils.safestring import mark_safe

register = template.Library()


@cache
def _reader():
    from markdown_it import MarkdownIt  # few pages have a guide, and it is large

    return MarkdownIt("commonmark", {"html": False}).disable(["image", "html_block", "html_inline"])


@register.filter
def markdown(text):
    """Render what support wrote. Links may lead elsewhere; they tell nobody where the reader came from."""
    return mark_safe(_reader().render(text or ""))  # noqa: S308 (the reader escapes everything else)
