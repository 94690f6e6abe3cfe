import pytest

from django_fastapi.conditional import check_match, etag_of, is_known
from django_fastapi.exceptions import PreconditionFailed, PreconditionRequired

TAG = etag_of("1")
OTHER = etag_of("2")


def test_a_tag_is_quoted_and_differs_by_version() -> None:
    assert TAG.startswith('"')
    assert TAG.endswith('"')
    assert etag_of("1") == etag_of(b"1") == TAG
    assert TAG != OTHER


@pytest.mark.parametrize("value", [TAG, f"{OTHER}, {TAG}", "*"])
def test_a_change_passes_if_it_means_this_version(value: str) -> None:
    check_match({"If-Match": value}, TAG, is_required=True)


@pytest.mark.parametrize("value", [OTHER, f"W/{TAG}", "", "rubbish", f"{OTHER}, rubbish"])
def test_a_change_of_another_version_fails(value: str) -> None:
    with pytest.raises(PreconditionFailed):
        check_match({"If-Match": value}, TAG)


def test_a_change_may_have_to_say_which_version_it_means() -> None:
    check_match({}, TAG)
    with pytest.raises(PreconditionRequired):
        check_match({}, TAG, is_required=True)


def test_a_change_that_wants_no_version_fails_where_there_is_one() -> None:
    for value in ("*", TAG, f"W/{TAG}"):
        with pytest.raises(PreconditionFailed):
            check_match({"If-None-Match": value}, TAG)
    check_match({"If-None-Match": OTHER}, TAG)


def test_what_the_client_has_need_not_be_sent() -> None:
    assert is_known({"If-None-Match": f"W/{TAG}"}, TAG)
    assert is_known({"If-None-Match": "*"}, TAG)
    assert not is_known({"If-None-Match": OTHER}, TAG)
    assert not is_known({}, TAG)
