import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.integration.servers import Running

from .test_docs_pages import loaded_urls

pytestmark = pytest.mark.timeout(180)

WAIT_SECONDS = 30
RIGHT_OF_TEXT = """
const range = document.createRange();
range.selectNodeContents(arguments[0]);
return range.getBoundingClientRect().right;
"""


def count_visible(browser: Chrome, selector: str) -> int:
    return sum(element.is_displayed() for element in browser.find_elements(By.CSS_SELECTOR, selector))


@pytest.mark.parametrize("path", ["/probe/crash", "/probe/async-crash"])
def test_the_page_of_an_error_shows_the_frames_of_the_project_and_unfolds_the_rest(
    browser: Chrome, site: Running, path: str
) -> None:
    browser.get(site.url + path)
    assert browser.find_element(By.TAG_NAME, "h1").text == f"RuntimeError at {path}"
    assert count_visible(browser, "li.frame") == 1
    assert "tests/project/probe/api.py" in browser.find_element(By.CSS_SELECTOR, "li.frame.user").text
    browser.find_element(By.ID, "show-plumbing").click()
    assert count_visible(browser, "li.frame") > 10
    browser.find_element(By.ID, "show-plumbing").click()
    assert count_visible(browser, "li.frame") == 1


def test_the_page_of_an_error_shows_the_request(browser: Chrome, site: Running) -> None:
    browser.get(f"{site.url}/probe/crash?colour=green")
    panel = browser.find_element(By.ID, "fastapi")
    assert panel.is_displayed()
    for expected in ("/probe/crash", "tests.project.probe.api.crash", "colour", "green", "user-agent"):
        assert expected in panel.text
    for heading in panel.find_elements(By.TAG_NAME, "h3"):
        table = heading.find_element(By.XPATH, "following-sibling::table")
        assert browser.execute_script(RIGHT_OF_TEXT, heading) < table.rect["x"], f"{heading.text!r} lies on its table"
        assert table.rect["x"] + table.rect["width"] <= browser.execute_script("return document.body.scrollWidth")


def test_the_page_of_an_error_has_nothing_from_other_servers_and_runs_no_script_of_the_request(
    browser: Chrome, site: Running
) -> None:
    browser.get("about:blank")
    list(loaded_urls(browser))
    browser.get(f"{site.url}/probe/crash?x=</td><script>document.title='owned'</script>")
    assert browser.title.startswith("RuntimeError at /probe/crash")
    urls = {url for url in loaded_urls(browser) if not url.startswith("data:")}
    assert {url for url in urls if not url.startswith(site.url)} == set()


def test_the_page_of_nothing_lists_routes(browser: Chrome, site: Running) -> None:
    browser.get(f"{site.url}/probe/nowhere")
    WebDriverWait(browser, WAIT_SECONDS).until(lambda chrome: chrome.find_element(By.ID, "api-routes").is_displayed())
    assert browser.find_element(By.TAG_NAME, "h1").text == "Page not found (404)"
    assert "/probe/only-get" in browser.find_element(By.ID, "api-routes").text
    assert "admin/" in browser.find_element(By.CSS_SELECTOR, "#info ol").text


def test_the_page_of_a_wrong_method_says_so(browser: Chrome, site: Running) -> None:
    browser.get(f"{site.url}/probe/echo")
    assert browser.find_element(By.TAG_NAME, "h1").text == "Method not allowed (405)"
    assert browser.find_element(By.ID, "remark").text == "Only the method is wrong: /probe/echo takes POST, not GET."
