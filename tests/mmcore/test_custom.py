"""Classes of the user's: where they are found, what their source is, and what is said where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from factories.own_parts import FUSION, write_package
from torch import nn

from mmcore.config import Custom, RunConfig, build_config
from mmcore.custom import custom_parts, find_source, sealed
from mmcore.errors import ConfigError
from mmcore.fingerprint import fingerprint, identity
from mmcore.model.linear import Linear
from mmcore.model.own import OwnPart
from mmcore.own_code import construct, frames_of, load_class

OWN = {"kind": "custom", "class": "my_pkg.fusion:Product"}


def config(**model: Any) -> RunConfig:
    return build_config({"corpus": "c", "data": {"window": 10}, "model": model})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_package(tmp_path)


def print_of(folder: Path, own: dict[str, Any] = OWN) -> str:
    return fingerprint(sealed(config(fusion=own), folder), "content")


def test_a_config_without_own_parts_has_the_name_that_it_had(folder: Path) -> None:
    plain = config(width=64)
    assert sealed(plain, folder) is plain
    assert identity(plain, "content")["config"] == {"data": {"window": 10}, "model": {"width": 64}}
    named = config(width=64, kind="multimodal", encoder={"kind": "transformer"}, embedding={"a": {"kind": "linear"}})
    assert fingerprint(named, "content") == fingerprint(plain, "content")


def test_a_changed_source_is_a_changed_arm(folder: Path) -> None:
    before = print_of(folder)
    assert print_of(folder) == before
    package = folder / "my_pkg"
    (package / "fusion.py").write_text(FUSION.replace("1 + linear", "2 + linear"), encoding="utf-8")
    changed = print_of(folder)
    (package / "fusion.py").write_text(FUSION, encoding="utf-8")
    assert changed != before == print_of(folder)
    # Any file of the package belongs to the source: the class may use it.
    (package / "more.py").write_text("x = 1\n", encoding="utf-8")
    assert print_of(folder) != before
    # A file that is not imported does not.
    (package / "more.py").unlink()
    (folder / "other.py").write_text("x = 1\n", encoding="utf-8")
    assert print_of(folder) == before


def test_a_file_that_changes_again_within_a_tick_of_its_clock_is_read_again(folder: Path) -> None:
    """Some file systems have times of a few milliseconds: then time and size are those of the text before."""
    path = folder / "my_pkg" / "fusion.py"
    before, moment = print_of(folder), path.stat().st_mtime_ns
    path.write_text(FUSION.replace("1 + linear", "2 + linear"), encoding="utf-8")
    os.utime(path, ns=(moment, moment))
    assert print_of(folder) != before


def test_modules_beside_the_study_that_are_imported_belong_to_the_source(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import layers\n" + FUSION, encoding="utf-8")
    (tmp_path / "layers.py").write_text("from deeper import x\n", encoding="utf-8")
    (tmp_path / "deeper.py").write_text("x = 1\n", encoding="utf-8")
    own = OWN | {"class": "mine:Product"}
    before = print_of(tmp_path, own)
    assert [path.name for path in find_source("mine:Product", tmp_path).files] == ["deeper.py", "layers.py", "mine.py"]
    (tmp_path / "deeper.py").write_text("x = 2\n", encoding="utf-8")
    assert print_of(tmp_path, own) != before


def test_neither_the_folder_nor_the_way_of_writing_counts(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = write_package(tmp_path_factory.mktemp("elsewhere"))
    assert print_of(folder) == print_of(elsewhere)
    assert print_of(folder) != print_of(folder, OWN | {"args": {"scale": 0.5}})
    assert print_of(folder) != print_of(folder, OWN | {"class": "my_pkg.models:Recurrent"})


def test_a_folder_is_relative_to_the_study(tmp_path: Path) -> None:
    study = tmp_path / "studies"
    study.mkdir()
    write_package(tmp_path / "code")
    elsewhere = OWN | {"folder": "../code"}
    assert print_of(study, elsewhere) == print_of(tmp_path / "code")
    with pytest.raises(ConfigError, match="there is no module 'my_pkg'"):
        print_of(study)


def test_an_own_part_without_a_hash_has_no_name() -> None:
    with pytest.raises(ConfigError, match=r"model\.fusion: the source of my_pkg.fusion:Product must be hashed"):
        fingerprint(config(fusion=OWN), "content")


def test_a_source_that_changed_since_the_plan_is_refused(folder: Path) -> None:
    planned = sealed(config(fusion=OWN), folder)
    assert sealed(planned) == planned
    (folder / "my_pkg" / "fusion.py").write_text(FUSION + "# more\n", encoding="utf-8")
    for ask in (lambda: sealed(planned), lambda: load_class(custom_parts(planned)["model.fusion"])):
        with pytest.raises(ConfigError, match=r"the source of my_pkg.fusion:Product has changed.*Run the same command"):
            ask()


def test_nothing_is_imported_to_make_a_plan(folder: Path) -> None:
    (folder / "my_pkg" / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    code = f"""
        import sys
        from pathlib import Path
        from mmcore.custom import find_source
        print(find_source("my_pkg.fusion:Product", Path({str(folder)!r})).hash)
        assert not {{"torch", "my_pkg"}} & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) == 32


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "nowhere.fusion:Mine",
            r"model.fusion.class: there is no module 'nowhere'; expected nowhere.py or nowhere/ in ",
        ),
        ("my_pkg.fusoin:Mine", r"'my_pkg' has no module 'fusoin'; found .*Did you mean 'fusion'\?"),
        ("my_pkg.fusion:Produkt", r"'my_pkg.fusion' does not define 'Produkt'; found .*Did you mean 'Product'\?"),
        (
            "Mine",
            r"'Mine' names no class; expected my_package.module:ClassName, or an entry point of the group mmstudy",
        ),
        ("my_pkg/fusion.py:Mine", r"a class is named by its module and its name.*found my_pkg/fusion.py:Mine"),
        ("math:sqrt", r"'math' must be a module that is written in Python"),
        ("my_pkg.broken:Mine", r"'my_pkg.broken' cannot be read as Python; found .*Correct .*broken.py:2"),
    ],
)
def test_a_class_that_is_not_there_is_told_before_anything_runs(folder: Path, written: str, message: str) -> None:
    (folder / "my_pkg" / "broken.py").write_text("x = 1\nclass Mine(:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        sealed(config(fusion=OWN | {"class": written}), folder)


@pytest.mark.parametrize(("name", "owner"), [("random", "Python"), ("reports", "mmstudy")])
def test_a_file_beside_the_study_cannot_hide_ours(tmp_path: Path, name: str, owner: str) -> None:
    (tmp_path / f"{name}.py").write_text("class Mine: pass\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"cannot be called '{name}', since a module of {owner} is called so"):
        find_source(f"{name}:Mine", tmp_path)


def test_an_entry_point_names_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = write_package(tmp_path / "site")
    about = site / "my_pkg-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-pkg\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[mmstudy.parts]\nproduct = my_pkg.fusion:Product\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    short, long = (sealed(config(fusion=OWN | {"class": name}), tmp_path) for name in ("product", OWN["class"]))
    assert short == long
    assert load_class(custom_parts(short)["model.fusion"]).__name__ == "Product"
    with pytest.raises(ConfigError, match=r"'prodct' names no class.*Did you mean 'product'"):
        sealed(config(fusion=OWN | {"class": "prodct"}), tmp_path)


def test_a_changed_text_is_imported_anew_however_soon_it_changes(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / "changing.py"
        path.write_text(f"class Mine:\n    number = {number}\n", encoding="utf-8")
        os.utime(path, ns=(10**18 + number, 10**18 + number))
        assert load_class(Custom.model_validate({"class": "changing:Mine", "folder": str(tmp_path)})).number == number


def test_a_link_beside_the_study_counts_as_lying_there(tmp_path: Path) -> None:
    for folder in ("elsewhere", "study"):
        (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere" / "linked.py").write_text("import layers\n" + FUSION, encoding="utf-8")
    (tmp_path / "study" / "layers.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "study" / "linked.py").symlink_to(tmp_path / "elsewhere" / "linked.py")
    source = find_source("linked:Product", tmp_path / "study")
    assert source.neighbours == ("layers", "linked")
    assert len(source.hash) == 32


def test_a_folder_of_data_beside_the_study_hides_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "site")))
    (tmp_path / "study" / "my_pkg").mkdir(parents=True)
    source = find_source("my_pkg.fusion:Product", tmp_path / "study")
    assert (source.root, source.beside) == (tmp_path / "site", False)


def test_an_import_that_fails_tells_the_users_line(tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text("import not_there_at_all\n\nclass Mine: pass\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"needy cannot be imported; found ModuleNotFoundError: .*at needy.py, line 1"
    ):
        load_class(Custom.model_validate({"class": "needy:Mine", "folder": str(tmp_path)}))


class Taker:
    def __init__(self, width: int, depth: int, scale: float = 1.0) -> None:
        self.given = width, depth, scale


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            {"depth": 1, "scael": 2},
            r"x:Taker does not take the argument 'scael'.*Did you mean 'scale'\? Valid: depth, scale",
        ),
        ({}, r"x:Taker needs the argument 'depth'; expected it in args, or one of what is offered: width, heads"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: dict[str, Any], message: str) -> None:
    part = Custom.model_validate({"class": "x:Taker", "args": args})
    with pytest.raises(ConfigError, match=message):
        construct(Taker, part, {"width": 8, "heads": 2})


def test_a_constructor_gets_what_it_names() -> None:
    part = Custom.model_validate({"class": "x:Taker", "args": {"depth": 3}})
    assert construct(Taker, part, {"width": 8, "heads": 2}).given == (8, 3, 1.0)
    assert construct(Taker, part.model_copy(update={"args": {"depth": 3, "width": 5}}), {"width": 8}).given == (
        5,
        3,
        1.0,
    )


def test_a_traceback_is_cut_to_the_users_frames(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "import json\n\nclass Mine:\n    def __init__(self):\n        self.read('{')\n\n"
        "    def read(self, text):\n        json.loads(text)\n",
        encoding="utf-8",
    )
    made = load_class(Custom.model_validate({"class": "failing:Mine", "folder": str(tmp_path)}))
    with pytest.raises(ValueError, match="Expecting") as caught:
        made()
    assert frames_of(caught.value) == (
        "failing.py, line 5, in __init__: self.read('{')",
        "failing.py, line 8, in read: json.loads(text)",
    )
    assert frames_of(ValueError("ours")) == ()


def test_linear_maps_of_an_own_part_are_computed_as_ours_are(folder: Path) -> None:
    own = sealed(config(fusion=OWN), folder).model.fusion
    assert isinstance(own, Custom)
    part = OwnPart(own, {"modalities": ("a", "b"), "width": 8}, ("embedded", "usable"))
    part.make(0)
    assert part.part is not None
    assert [type(m) for m in part.part.modules() if isinstance(m, nn.Linear)] == [Linear, Linear]
