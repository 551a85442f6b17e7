"""What every lab is: arms that start from one built folder, run, and end with the process that holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

import yaml

from harness.lab import store
from harness.model.target import Arm
from harness.system.files import write_whole
from harness.system.process import Family, Identity

CredentialKind = Literal["csv", "keytab"]


@dataclass(frozen=True, slots=True)
class RunningArm:
    """One running arm: its clone, its address and ports by service, its processes by name."""

    folder: Path
    address: str
    ports: Mapping[str, int]
    processes: Mapping[str, Identity]
    target: Mapping[str, object]
    """The fields of a Target."""

    @property
    def krb5_conf(self) -> Path:
        """The krb5.conf of this arm, for command-line tools."""
        return self.folder / "krb5.conf"

    def address_of(self, server: str) -> str:
        """The address of one of its processes."""
        return self.address


ArmT = TypeVar("ArmT", bound=RunningArm)


class BaseLab(ABC, Generic[ArmT]):
    """A context manager that runs a lab; within it a real login has succeeded on each arm.

    Entering raises LabError. The servers end with the block, and with this process however it ends.
    """

    def __init__(self) -> None:
        self.arms: dict[Arm, ArmT] = {}
        self._stack = ExitStack()

    @abstractmethod
    def _start(self, folder: Path, family: Family, stack: ExitStack) -> None:
        """Fill ``arms`` with running ones, cloned into ``folder``; ``stack`` is unwound when the lab ends."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = store.new_run_folder()
            stack.callback(store.remove, folder)
            family = Family()
            stack.callback(family.close)
            self._start(folder, family, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def targets(self) -> dict[str, object]:
        """The fields of a Targets, ready for YAML."""
        return {"environment": "lab", "arms": {name: dict(arm.target) for name, arm in self.arms.items()}}

    def write_targets(self, path: Path) -> None:
        """Write the targets as YAML; they hold as long as this lab runs."""
        write_whole(path, yaml.safe_dump(self.targets, sort_keys=False), private=True)
