"""Errors: one line for people, whole across processes, with the exit code they mean."""

import pickle

import pytest

from schemas import errors
from schemas.errors import (
    BlockedSourceError,
    CheckFailed,
    CommitConflict,
    LakeError,
    NotNowError,
    PresslakeError,
    RecordError,
    SchemaMismatch,
    SourceError,
    TransientSourceError,
    UsageError,
)

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PresslakeError)]
MADE = [
    PresslakeError("It broke."),
    UsageError("No such\n  source.", remedy="Name\tone."),
    SourceError("Cannot read it.", remedy="Check.", source="https://h.example", url="https://h.example/x", status=404),
    TransientSourceError("Later.", source="s", status=503),
    NotNowError("Not today.", source="s", status=429),
    BlockedSourceError("Refused.", source="s", status=401),
    RecordError("wrong_shape", "content is int.", rule="documents.text.type"),
    LakeError("Disk full."),
    CommitConflict("Others won."),
    SchemaMismatch("Too new."),
    CheckFailed("Rows are missing."),
]


def test_every_error_is_tried_here() -> None:
    assert {type(error) for error in MADE} == set(ALL)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_is_one_line(error: PresslakeError) -> None:
    assert "\n" not in str(error)
    assert str(error) == f"{error.message} {error.remedy}".strip()
    assert error.args == (str(error),)


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_crosses_a_process_boundary_whole(error: PresslakeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.__dict__) == (str(error), error.__dict__)


def test_what_was_attached_later_is_kept_too() -> None:
    error = TransientSourceError("Slow down.", status=429)
    error.retry_after_s = 7.5
    error.code = "too_many_requests"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.retry_after_s, copy.code, copy.status) == (7.5, "too_many_requests", 429)
    assert TransientSourceError("x").retry_after_s is None


def test_misuse_exits_with_two_and_the_rest_with_one() -> None:
    assert {kind.__name__: kind.exit_code for kind in ALL if kind.exit_code != 1} == {"UsageError": 2}


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    for kind in ALL:
        assert kind.__name__ in (errors.__doc__ or "")
        indent = next(line for line in (errors.__doc__ or "").splitlines() if line.split()[:1] == [kind.__name__])
        depth = len(kind.__mro__) - len(PresslakeError.__mro__)
        assert (len(indent) - len(indent.lstrip())) // 2 == depth + 1 or (
            len(indent) - len(indent.lstrip())
        ) // 2 == depth + 2


def test_who_refuses_is_no_wordpress_unless_it_is_said() -> None:
    assert BlockedSourceError("Refused.").is_wordpress is False


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_s_arguments_cross_a_process_boundary(error: PresslakeError) -> None:
    assert pickle.loads(pickle.dumps(error)).args == error.args
