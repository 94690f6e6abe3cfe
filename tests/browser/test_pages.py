from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element, url_contains
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.servers import Running

pytestmark = pytest.mark.timeout(180)

WAIT_SECONDS = 30
MESSAGES = (By.CSS_SELECTOR, ".messages")


def names(browser: Chrome, heading: str) -> list[str]:
    """Return the cities in the table below a heading."""
    return [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, f"[aria-labelledby={heading}] td strong")]


def press(browser: Chrome, label: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f'button[aria-label="{label}"]').click()


def test_a_visitor_searches_and_keeps_a_list(browser: Chrome, site: Running, tmp_path: Path) -> None:
    wait = WebDriverWait(browser, WAIT_SECONDS)
    browser.get(f"{site.url}/")
    browser.find_element(By.CSS_SELECTOR, 'a[href="/pages/cities"]').click()
    wait.until(url_contains("/pages/cities"))
    browser.find_element(By.NAME, "q").send_keys("san", Keys.ENTER)
    wait.until(url_contains("?q=san"))
    assert "Santiago" in names(browser, "found")
    assert names(browser, "listed") == []

    press(browser, "Keep Santiago")
    wait.until(text_to_be_present_in_element(MESSAGES, "Santiago is on your list now."))
    assert browser.current_url.endswith("/pages/cities?q=san")
    assert names(browser, "listed") == ["Santiago"]
    assert browser.find_element(By.NAME, "q").get_attribute("value") == "san"
    assert browser.find_element(By.TAG_NAME, "main").screenshot(str(tmp_path / "pages.png"))
    button = browser.find_element(By.CSS_SELECTOR, ".search button")
    assert button.value_of_css_property("color") == "rgba(15, 118, 110, 1)", "the style sheet is missing"

    browser.refresh()
    assert browser.find_elements(*MESSAGES) == []
    press(browser, "Drop Santiago")
    wait.until(text_to_be_present_in_element(MESSAGES, "Santiago is off your list."))
    assert names(browser, "listed") == []


def test_a_forged_form_is_refused(browser: Chrome, site: Running) -> None:
    browser.get(f"{site.url}/pages/cities")
    browser.execute_script("document.querySelector('[name=csrfmiddlewaretoken]').value = 'forged'")
    browser.find_element(By.CSS_SELECTOR, 'button[aria-label^="Keep"]').click()
    WebDriverWait(browser, WAIT_SECONDS).until(text_to_be_present_in_element((By.TAG_NAME, "h1"), "Forbidden"))
    browser.get(f"{site.url}/pages/cities")
    assert names(browser, "listed") == []
