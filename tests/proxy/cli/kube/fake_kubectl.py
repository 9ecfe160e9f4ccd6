"""Stands for kubectl: answers from the file that `FAKE_KUBECTL` names, and notes how it was called beside it.

The file has `objects`, `refused` (what stderr says, by the kind that is asked for), `lists` (text by first argument)
and `ports` (what port-forward gives, by port).
"""

import json
import os
import signal
import sys
from pathlib import Path


def main() -> int:
    file = Path(os.environ["FAKE_KUBECTL"])
    answers = json.loads(file.read_text())
    arguments = sys.argv[1:]
    with file.with_suffix(".calls").open("a") as calls:
        calls.write(" ".join(arguments) + "\n")
    words = [each for each in arguments if not each.startswith("-")]
    namespace = next((each.partition("=")[2] for each in arguments if each.startswith("--namespace=")), "default")
    if "--all-namespaces" in arguments:
        namespace = ""
    if words[0] == "port-forward":
        port = answers["ports"].get(words[2].removeprefix(":"))
        if port is None:
            return refuse("error: unable to forward port because pod is not running")
        say(f"Forwarding from 127.0.0.1:{port} -> {words[2]}")
        signal.pause()
    for kind, said in answers.get("refused", {}).items():
        if words[0] in ("get", "api-resources", "logs") and kind in " ".join(words):
            return refuse(said)
    if words[0] != "get":
        say(answers.get("lists", {}).get(words[0], ""))
        return 0
    kinds = {each.partition(".")[0] for each in words[1].split(",")}
    labels = next((each.partition("=")[2] for each in arguments if each.startswith("--selector=")), "")
    wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
    found = [
        each
        for each in answers["objects"]
        if plural(each["kind"]) in kinds
        and namespace in ("", each["metadata"]["namespace"])
        and wanted.items() <= (each["metadata"].get("labels") or {}).items()
    ]
    if len(words) == 2:
        say(json.dumps({"items": found}))
    elif named := [each for each in found if each["metadata"]["name"] == words[2]]:
        say(json.dumps(named[0]))
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def plural(kind: str) -> str:
    return {"MCPServerEntry": "mcpserverentries"}.get(kind, f"{kind.lower()}s")


def refuse(said: str) -> int:
    sys.stderr.write(f"{said}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
