"""The templates for schedulers: right by their own rules, and with words that our program takes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import vsadcvsr
from ffmpeg_filter.farm import cli, exit_status
from tests.farm.jobs import planned
from tests.farm.programs import BIN, EXAMPLES, ROOT, Programs
from tests.ffmpeg_filter.farms import pictures
from tests.ffmpeg_filter.files import ffadcvsr, ffmpeg
from vsadcvsr.farm.monitor.status import status_of
from vsadcvsr.farm.store.job import Job

ITEMS: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8"))["items"]
JOBS = {item["metadata"]["labels"]["step"]: item["spec"] for item in ITEMS if item["kind"] == "Job"}
TEMPLATES = sorted(EXAMPLES.glob("openjd*.yaml"))


def pod(step: str) -> dict[str, Any]:
    result = JOBS[step]["template"]["spec"]
    assert isinstance(result, dict)
    return result


def containers() -> Iterator[dict[str, Any]]:
    for step in JOBS:
        yield from pod(step).get("initContainers", [])
        yield from pod(step)["containers"]


def understood(arguments: Sequence[str], **meant: str) -> str:
    """The verb of a command line as our program reads it, after what a scheduler would put into it."""
    for name, value in meant.items():
        arguments = [word.replace(name, value) for word in arguments]
    assert arguments[0] == "farm"
    ours, _ = cli._split_at_dashes(arguments[1:])
    return str(cli._parser().parse_args(ours).run.__name__)


def action(code: int) -> str:
    """What Kubernetes does about an exit code: the first rule that fits decides."""
    for rule in JOBS["work"]["podFailurePolicy"]["rules"]:
        exit_codes = rule.get("onExitCodes")
        if exit_codes and (code in exit_codes["values"]) == (exit_codes["operator"] == "In"):
            return str(rule["action"])
    return "none"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
@pytest.mark.parametrize("version", ["1.33", kubernetes_validate.latest_version().rpartition(".")[0]])
def test_kubernetes_knows_every_field(item: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(item, version, strict=True)


def test_an_unknown_field_would_be_found() -> None:
    wrong = json.loads(json.dumps(ITEMS[-2]).replace("backoffLimitPerIndex", "backoffLimitByIndex"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


def test_kubernetes_tries_again_and_gives_up_as_our_exit_codes_say() -> None:
    assert [action(code) for code in (exit_status.USAGE, exit_status.GIVE_UP)] == ["FailJob"] * 2
    assert [action(code) for code in (exit_status.RETRY, 137, 1)] == ["Count"] * 3
    assert all(spec["podFailurePolicy"] == JOBS["work"]["podFailurePolicy"] for spec in JOBS.values())


def test_a_pod_for_each_chunk() -> None:
    work, (container,) = JOBS["work"], pod("work")["containers"]
    assert work["completionMode"] == "Indexed"
    assert "backoffLimitPerIndex" in work
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    (chunk,) = [variable for variable in container["env"] if variable["name"] == "CHUNK"]
    assert "job-completion-index" in chunk["valueFrom"]["fieldRef"]["fieldPath"]
    assert container["args"][-2:] == ["--chunk", "$(CHUNK)"]


def test_pods_can_do_nothing_but_their_work() -> None:
    for step in JOBS:
        assert pod(step)["restartPolicy"] == "Never"
        assert pod(step)["automountServiceAccountToken"] is False
        assert pod(step)["securityContext"]["runAsNonRoot"] is True
        assert JOBS[step]["template"]["metadata"]["labels"]["app"] == "adcvsr"  # whom the network policy is for
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
        }  # fmt: skip
    (policy,) = (item["spec"] for item in ITEMS if item["kind"] == "NetworkPolicy")
    assert policy == {"podSelector": {"matchLabels": {"app": "adcvsr"}}, "policyTypes": ["Ingress", "Egress"]}


def test_our_program_understands_what_the_pods_say() -> None:
    verbs = [understood(container["args"], **{"$(CHUNK)": "3"}) for container in containers()]
    assert verbs == ["_plan", "_status", "_work", "_merge"]


@pytest.fixture
def cluster(tmp_path: Path) -> Programs:
    """kubectl, whose jobs are complete at once, and a planned job of four chunks."""
    programs = Programs(tmp_path)
    (tmp_path / "status.json").write_text(json.dumps(status_of(planned(tmp_path / "planned")).as_json(), indent=1))
    ends = 'echo "${ENDS:-SuccessCriteriaMet Complete}"'
    cases = f'case "$2:$5" in pods:*) echo pod/plan-x ;; *.type}}) {ends} ;; *) echo reason ;; esac'
    programs.stand_in(
        "kubectl", f'case "$1" in apply) cat > "${{3#*=}}.yaml" ;; logs) cat status.json ;; get) {cases} ;; esac'
    )
    return programs


def test_kubernetes_gets_one_step_behind_the_other(cluster: Programs) -> None:
    done = cluster.run(EXAMPLES / "kubernetes.sh", EVERY="0")
    assert done.returncode == 0, done.stderr
    assert "kubectl logs pod/plan-x -c count" in cluster.calls
    applied = [call.split()[3] for call in cluster.calls if call.startswith("kubectl apply")]
    assert applied == ["step=ground", "step=plan", "step=work", "step=merge"]
    items = yaml.safe_load((cluster.folder / "work.yaml").read_text())["items"]
    (work,) = (item for item in items if item["metadata"]["labels"]["step"] == "work")
    assert work["spec"]["completions"] == 4


def test_a_step_that_fails_is_the_last(cluster: Programs) -> None:
    done = cluster.run(EXAMPLES / "kubernetes.sh", EVERY="0", ENDS="FailureTarget Failed")
    assert done.returncode == 1
    assert "reason" in done.stderr
    assert not any("step=work" in call for call in cluster.calls)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_openjd_passes_its_check(template: Path) -> None:
    done = subprocess.run([BIN / "openjd", "check", template], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_our_program_understands_what_openjd_says(template: Path) -> None:
    steps = yaml.safe_load(template.read_text(encoding="utf-8"))["steps"]
    runs = [step["script"]["actions"]["onRun"] for step in steps]
    assert {run["command"] for run in runs} == {"ffadcvsr"}
    meant = {"{{Param.Seconds}}": "120", "{{Task.Param.Chunk}}": "3"}
    assert [understood(run["args"], **meant) for run in runs] == [f"_{step['name'].lower()}" for step in steps]


def test_openjd_makes_a_video_with_the_bits_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    programs = Programs(tmp_path)
    programs.real()
    pictures_of = "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8,noise=alls=9:allf=t -pix_fmt yuv420p -c:v ffv1"
    ffmpeg(pictures_of, tmp_path / "a film.mkv")
    network = "adcvsr=model=nearest-temporal:scale=2"
    parameters = {"Job": "job", "Source": "a film.mkv", "Output": "many.mkv", "Filter": network, "Seconds": "0.4"}
    lossless = {"Encoder": "libx264", "Quality": "0", "Workers": "1"}
    arguments = [word for name, value in (parameters | lossless).items() for word in ("-p", f"{name}={value}")]
    done = programs.run("openjd", "run", EXAMPLES / "openjd.yaml", *arguments)
    assert done.returncode == 0, done.stdout[-2000:]
    assert status_of(Job.read(tmp_path / "job")).done == 2
    assert ffadcvsr("-i", tmp_path / "a film.mkv", f"-vf {network} -c:v ffv1 one.mkv") == 0
    assert len(pictures(tmp_path / "one.mkv")) == 20
    assert pictures(tmp_path / "many.mkv") == pictures(tmp_path / "one.mkv")


def test_openjd_makes_each_chunk_by_itself(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    programs.stand_in("ffadcvsr")
    job = tmp_path / "my job"
    job.mkdir()
    done = programs.run("openjd", "run", EXAMPLES / "openjd_chunks.yaml", "-p", f"Job={job}", "-p", "LastChunk=2")
    assert done.returncode == 0, done.stdout[-2000:]
    assert programs.calls == [
        *(f"ffadcvsr farm work {job} --chunk {n}" for n in range(3)),
        f"ffadcvsr farm merge {job}",
    ]


def test_the_dockerfile_has_no_faults_that_hadolint_knows() -> None:
    done = subprocess.run([BIN / "hadolint", EXAMPLES / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_container_is_pinned_and_runs_without_rights() -> None:
    lines = (EXAMPLES / "Dockerfile").read_text(encoding="utf-8").splitlines()
    (base,) = (line for line in lines if line.startswith("ARG BASE="))
    assert base.partition(":")[2] not in {"", "latest"}
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    final = lines[stages[-1] :]
    assert "gcc" not in "\n".join(final)
    user = next(line.split()[1] for line in final if line.startswith("USER "))
    assert user == "{runAsUser}:{runAsGroup}".format(**pod("work")["securityContext"])
    assert {container["image"] for container in containers()} == {f"adcvsr:{vsadcvsr.__version__}"}


def test_the_container_is_built_from_all_that_a_wheel_needs() -> None:
    allowed = (EXAMPLES / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in allowed
    named = {line[1:] for line in allowed if line.startswith("!")}
    assert named == {"vsadcvsr", "ffmpeg_filter", "pyproject.toml", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in named)
