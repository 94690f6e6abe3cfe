import json
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import presence_of_element_located, text_to_be_present_in_element
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.servers import Running

pytestmark = pytest.mark.timeout(180)

WAIT_SECONDS = 30
BODY = (By.TAG_NAME, "body")


def loaded_urls(browser: Chrome) -> Iterator[str]:
    """Return where the page has had an answer from since the last call."""
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.responseReceived":
            yield message["params"]["response"]["url"]


def test_swagger_ui_shows_the_routes_and_tries_one_out(browser: Chrome, site: Running) -> None:
    wait = WebDriverWait(browser, WAIT_SECONDS)
    browser.get(f"{site.url}/docs")
    wait.until(text_to_be_present_in_element(BODY, "/api/atlas/countries"))
    browser.find_element(By.CSS_SELECTOR, "[id*=list_permissions_permissions] button").click()
    wait.until(presence_of_element_located((By.CSS_SELECTOR, ".try-out__btn"))).click()
    wait.until(presence_of_element_located((By.CSS_SELECTOR, ".execute"))).click()
    wait.until(text_to_be_present_in_element((By.CSS_SELECTOR, ".live-responses-table"), "Can add log entry"))


@pytest.mark.parametrize(("page", "text"), [("/docs", "OAS 3.1"), ("/redoc", "API docs by Redocly")])
def test_a_docs_page_has_nothing_from_other_servers(browser: Chrome, site: Running, page: str, text: str) -> None:
    browser.get("about:blank")
    list(loaded_urls(browser))
    browser.get(site.url + page)
    WebDriverWait(browser, WAIT_SECONDS).until(text_to_be_present_in_element(BODY, text))
    urls = {url for url in loaded_urls(browser) if not url.startswith(("data:", "blob:"))}
    assert urls
    assert {url for url in urls if not url.startswith(site.url)} == set()


def test_the_admin_looks_like_the_admin(browser: Chrome, site: Running) -> None:
    browser.get(f"{site.url}/admin/login/")
    header = browser.find_element(By.ID, "header")
    assert "Django administration" in header.text
    assert header.value_of_css_property("background-color") != "rgba(0, 0, 0, 0)", "the style sheet is missing"
