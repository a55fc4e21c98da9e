"""Fixtures, and the kernels that a test is repeated on.

A test that asks for `kernel` runs on the release and the debug build; with
`--on linux` it runs on Debian's Linux instead, which proves the test itself.
A test that asks for `smp` runs on 1, 2 and 4 harts.
"""
import pytest

import harness


def pytest_addoption(parser):
    parser.addoption("--on", choices=("quire", "linux"), default="quire",
                     help="the kernel to test: Quire, or Linux to prove the tests")


def kernels(config):
    if config.getoption("--on") == "linux":
        return [harness.DEBIAN]
    if harness.HOSTILE:
        return [harness.DEBUG]
    return [harness.RELEASE, harness.DEBUG]


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "quire_only: Linux does this otherwise, or not at all")


def pytest_generate_tests(metafunc):
    if "kernel" in metafunc.fixturenames:
        metafunc.parametrize("kernel", kernels(metafunc.config),
                             ids=lambda k: k.name, scope="session")
    if "smp" in metafunc.fixturenames:
        metafunc.parametrize("smp", [1, 2, 4], ids=lambda n: f"smp{n}",
                             scope="session")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--on") == "linux":
        skip = pytest.mark.skip(reason="not on Linux")
        for item in items:
            if item.get_closest_marker("quire_only"):
                item.add_marker(skip)


@pytest.fixture
def run(kernel):
    """run(command, ...) boots the kernel and returns a harness.Result."""
    def start(*command, **how):
        return harness.run(kernel, *command, **how)
    return start


@pytest.fixture
def shell(kernel):
    """shell(...) boots to a prompt and returns a harness.Shell."""
    started = []

    def start(**how):
        started.append(harness.Shell(kernel, **how))
        return started[-1]
    yield start
    for one in started:
        one.close()
