"""Import every module of the library but those named in the arguments, packages and all."""

import importlib
import pkgutil
import sys
import warnings

warnings.simplefilter("ignore")
left_out = set(sys.argv[1:])
folder = next(path for path in sys.path if path.endswith(f"python3.{sys.version_info.minor}"))
found = {*sys.builtin_module_names, *sys.stdlib_module_names}
failed = []


def wanted(name: str) -> bool:
    parts = name.split(".")
    return "__main__" not in parts and not any(
        ".".join(parts[: count + 1]) in left_out for count in range(len(parts))
    )


def walk(paths: list[str], prefix: str) -> None:
    for module in pkgutil.iter_modules(paths, prefix):
        found.add(module.name)
        if module.ispkg and wanted(module.name):
            walk([f"{paths[0]}/{module.name.rpartition('.')[2]}"], f"{module.name}.")


walk([folder], "")
walk([f"{folder}/lib-dynload"], "")
imported = 0
for name in sorted(filter(wanted, found)):
    try:
        importlib.import_module(name)
        imported += 1
    except Exception as error:
        failed.append(f"{name}: {error!r}")
sys.stdout.write(f"imported {imported}; failed: {failed}\n")
