"""The pages of accounts, those that answer without a sign-in among them."""

from typing import Final

from agent.web import (
    account_pages,
    people_pages,
    proof,
    provider_pages,
    session_pages,
    sign_in_pages,
    token_pages,
)

ADDRESSES: Final = (
    *sign_in_pages.ADDRESSES,
    *provider_pages.ADDRESSES,
    *account_pages.ADDRESSES,
    *session_pages.ADDRESSES,
    *people_pages.ADDRESSES,
    *proof.ADDRESSES,
    *token_pages.ADDRESSES,
)
