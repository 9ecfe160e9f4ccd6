"""A port that is none is refused wherever a URL or an address is written, with what it may be."""

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from vmcp_api.base import PORT_PATTERN, Url
from vmcp_api.rules.check import check_rules
from vmcp_api.spec.audit import Syslog
from vmcp_api.spec.sessions import SessionStorage
from vmcp_api.spec.telemetry import OtlpEndpoint
from vmcp_api.text.forms import describe_form

PORTS = (1, 80, 443, 4318, 9999, 10000, 59999, 60000, 64999, 65499, 65529, 65535)
NO_PORTS = ("0", "65536", "65540", "65600", "66000", "70000", "99999", "100000", "-1", "x")
HOSTS = ("host.example", "10.0.0.1", "[fd00::1]")


def otlp(text):
    return OtlpEndpoint.model_validate({"endpoint": text})


def otlp_url(text):
    return OtlpEndpoint.model_validate({"endpoint": f"https://{text}/base"})


def syslog(text):
    return Syslog.model_validate({"address": text})


def url(text):
    return TypeAdapter(Url).validate_python(f"https://{text}/path?q")


READERS = (otlp, otlp_url, syslog, url)


@pytest.mark.parametrize("read", READERS)
def test_every_port_is_taken_and_nothing_else(read):
    for host in HOSTS:
        for port in PORTS:
            assert read(f"{host}:{port}")
        for port in NO_PORTS:
            with pytest.raises(ValidationError) as caught:
                read(f"{host}:{port}")
            (error,) = caught.value.errors()
            assert "at most 65535" in describe_form(error["ctx"]["pattern"])


@pytest.mark.parametrize("port", NO_PORTS)
def test_a_store_at_a_port_that_is_none_is_refused(port):
    for host in HOSTS:
        (problem,) = check_rules(SessionStorage(provider="redis", address=f"a:1,{host}:{port}"))
        assert "a port of at most 65535" in f"{problem.message}; {problem.remedy}"
        assert not check_rules(SessionStorage(provider="redis", address=f"{host}:65535"))


def test_the_pattern_knows_every_port_there_is():
    assert [n for n in range(70_000) if re.fullmatch(PORT_PATTERN, str(n))] == list(range(1, 65_536))
