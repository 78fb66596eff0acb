"""The TensorRT backend: without a GPU, and on a stand-in for one, in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ship_deploy import Fuser, UserError
from tests.ship_deploy.backends import faults

HERE = Path(__file__).parent


def test_the_docs_have_the_table_of_faults():
    """What it says is shown by test_execution_faults.py, on the stand-in."""
    page = HERE.parents[2] / "docs" / "concepts" / "gpu-errors.md"
    assert faults.tabulate() in page.read_text()


def test_without_a_gpu_it_says_so(model, no_gpu):
    pytest.importorskip("tensorrt_rtx")
    with pytest.raises(UserError) as caught:
        Fuser(model, backend="tensorrt")
    assert str(caught.value) == no_gpu


def missing_functions(written: str) -> str:
    """C of those driver functions that PyCUDA names and the stand-in lacks; each says no."""
    (binary,) = Path(find_spec("pycuda").origin).parent.glob("_driver*.so")
    names = set(re.findall(rb"\0(cu[A-Z][A-Za-z0-9_]+)(?=\0)", binary.read_bytes()))
    lacking = sorted(n for n in map(bytes.decode, names) if f"int {n}(" not in written)
    return "\n".join(f"int {name}(void) {{ return 801; }}" for name in lacking)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the stand-in")
@pytest.mark.parametrize("tests", ["test_execution.py", "test_execution_faults.py"])
def test_on_a_stand_in_for_the_driver(tmp_path, tests):
    library, sources = tmp_path / "libcuda.so.1", [HERE / "driver.c"]
    if find_spec("pycuda"):  # its binary wants to see every function that it could call
        sources.append(tmp_path / "rest.c")
        sources[-1].write_text(missing_functions(sources[0].read_text()))
    compile_ = ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", library]
    subprocess.run([*compile_, *sources, "-ldl", "-lpthread"], check=True)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", HERE / tests],
        env={**os.environ, "STAND_IN_DRIVER": str(library)},
        cwd=HERE.parents[2],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
