import sys

import pytest

from avbench import doctor
from avbench.cli import main
from avbench.doctor import Check
from avbench.registry import Plugin


def test_python_versions(monkeypatch):
    for version, status in [((3, 10, 9), "failed"), ((3, 11, 0), "ok"), ((3, 13, 2), "ok"), ((3, 14, 0), "failed")]:
        monkeypatch.setattr(sys, "version_info", version)
        assert doctor.check_python().status == status


def test_cuda_builds_are_read_without_importing(tmp_path, monkeypatch):
    for name, version in [("fakevision", "0.29.2+cu132"), ("fakeaudio", "2.11.0"), ("fakecpu", "2.11.0+cpu")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('built for another CUDA')")
        (tmp_path / name / "version.py").write_text(f"__version__ = '{version}'\ngit_version = 'x'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [doctor.cuda_tag(name) for name in ("fakevision", "fakeaudio", "fakecpu", "absent")] == [
        "cu132",
        None,
        "cpu",
        None,
    ]


def test_a_mismatch_is_explained(monkeypatch):
    tags = {"torch": "cu132", "torchvision": "cu132", "torchaudio": "cu130"}
    broken = {"torchaudio": "RuntimeError: Detected that PyTorch and TorchAudio were compiled with different CUDA"}
    monkeypatch.setattr(doctor, "cuda_tag", tags.get)
    monkeypatch.setattr(doctor, "import_problem", broken.get)
    check = doctor.check_torch_family()
    assert check.status == "failed" and "different CUDA" in check.detail
    assert "torch for cu132" in check.remedy and "torchaudio for cu130" in check.remedy
    monkeypatch.setattr(doctor, "import_problem", lambda name: None)
    assert doctor.check_torch_family().status == "ok"


def test_a_missing_dependency_fails_with_a_remedy():
    check = doctor.check_import("no-such-distribution", "no_such_module")
    assert check.status == "failed" and "not installed" in check.detail and "pip install" in check.remedy
    assert doctor.check_import("pydantic", "pydantic").status == "ok"


def test_a_full_or_closed_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "not" / "yet"))
    assert str(tmp_path) in doctor.check_cache().detail
    monkeypatch.setattr(doctor, "ENOUGH_DISK", 10**18)
    assert doctor.check_cache().status == "warning"
    monkeypatch.setattr(doctor.os, "access", lambda *args: False)
    check = doctor.check_cache()
    assert check.status == "failed" and "AVBENCH_CACHE" in check.remedy


def test_little_memory_and_busy_cores_are_warnings(monkeypatch):
    monkeypatch.setattr(doctor, "available_memory", lambda: doctor.GIB)
    assert doctor.check_memory().status == "warning"
    monkeypatch.setattr(doctor, "available_memory", lambda: None)
    assert doctor.check_memory().status == "ok"
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (500.0, 0.0, 0.0))
    assert doctor.check_cores().status == "warning"


@pytest.mark.parametrize(("distribution", "status"), [("avbench", "failed"), ("somebody-elses", "warning")])
def test_a_broken_plugin_of_others_is_not_fatal(distribution, status):
    check = doctor.check_plugin(Plugin("strategies", "x", "no_such_module:X", distribution, "1"))
    assert check.status == status and distribution in check.detail


@pytest.mark.parametrize(("worst", "status"), [("ok", 0), ("warning", 0), ("failed", 1)])
def test_the_command_fails_when_something_essential_does(monkeypatch, capsys, worst, status):
    checks = [Check("[red]one[/]", "ok", "fine"), Check("two", worst, "so so", "mend it")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(checks))
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    out = capsys.readouterr().out
    assert (left.value.code or 0) == status
    assert "[red]one[/]" in out and ("mend it" in out) == (worst != "ok")
