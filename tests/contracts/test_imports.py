"""No circle of files: each can be read after the ones that it imports."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("kith", "contacts", "sales", "service_desk", "analytics", "kith_local")


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))
