"""What is seen: the page as HTML, made of the status view and of the chronicle's.

It works without scripts, as it stands; `page.js` asks for single sections again when they change.
No question is asked of the daemon here, and everything that came from outside is made safe.
"""

from .document import SECTIONS, page_of, section_of

__all__ = ["SECTIONS", "page_of", "section_of"]
