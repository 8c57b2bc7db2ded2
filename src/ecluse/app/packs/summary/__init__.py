"""A pack for people, to read and to print: one HTML page in English and one in French.

``page`` puts it together, ``english`` and ``french`` have its words, ``parts`` makes HTML of which no value can break
out.
"""

from ecluse.app.packs.summary.page import DETAILED, Broken, Told, Vouchers, summary_page

__all__ = ["DETAILED", "Broken", "Told", "Vouchers", "summary_page"]
