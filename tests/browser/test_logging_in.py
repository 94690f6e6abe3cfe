"""Logging in on the docs page: by session, and with the Authorize button."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable, text_to_be_present_in_element
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.servers import Running

pytestmark = pytest.mark.timeout(180)

WAIT_SECONDS = 30


@pytest.fixture
def docs(browser: Chrome, site: Running) -> Iterator[Chrome]:
    browser.get(f"{site.url}/docs")
    browser.delete_all_cookies()
    browser.get(f"{site.url}/docs")
    yield browser
    browser.delete_all_cookies()


def find(docs: Chrome, selector: str) -> WebElement:
    element: WebElement = WebDriverWait(docs, WAIT_SECONDS).until(element_to_be_clickable((By.CSS_SELECTOR, selector)))
    return element


def execute(docs: Chrome, operation: str, expected: str, body: str | None = None) -> None:
    """Try an operation out, and see that the answer has a text."""
    block = f"[id$='{operation}']"
    if not docs.find_elements(By.CSS_SELECTOR, f"{block}.is-open"):
        find(docs, f"{block} .opblock-summary-control").click()
        find(docs, f"{block} .try-out__btn").click()
    if body is not None:
        field = find(docs, f"{block} textarea.body-param__text")
        field.clear()
        field.send_keys(body)
    find(docs, f"{block} .execute").click()
    answer = (By.CSS_SELECTOR, f"{block} .live-responses-table")
    WebDriverWait(docs, WAIT_SECONDS).until(text_to_be_present_in_element(answer, expected))


def test_the_session_route_logs_in_and_out(docs: Chrome) -> None:
    execute(docs, "me_api_me_get", "Not authenticated")
    execute(docs, "login_api_auth_login_post", '"username": "admin"', '{"username": "admin", "password": "admin"}')
    execute(docs, "me_api_me_get", '"is_staff": true')
    execute(docs, "logout_api_auth_logout_post", "204")
    execute(docs, "me_api_me_get", "Not authenticated")


def test_the_authorize_button_logs_in(docs: Chrome) -> None:
    execute(docs, "me_api_me_get", "Not authenticated")
    find(docs, ".btn.authorize").click()
    find(docs, "#oauth_username, [id^=oauth_username]").send_keys("admin")
    find(docs, "#oauth_password, [id^=oauth_password]").send_keys("admin")
    find(docs, ".auth-container .btn.authorize[type=submit], .modal-btn.authorize").click()
    find(docs, ".modal-ux .btn-done").click()
    execute(docs, "me_api_me_get", '"username": "admin"')
