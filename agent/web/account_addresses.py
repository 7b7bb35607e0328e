"""The pages of accounts, those that answer without a sign-in among them."""

from typing import Final

from agent.web import sign_in_pages

ADDRESSES: Final = (*sign_in_pages.ADDRESSES,)
