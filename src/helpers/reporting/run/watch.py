"""Note which files below the project a kernel opens. Run by the kernel itself at its start, before any cell.

`execute.run` has it run through PYTHONSTARTUP and reads the notes: one line for each file, `r` or `w` and its path from
the root. Modules are files, too. It imports nothing of the project, as the kernel of a notebook need not either.
"""


def _watch():
    import os
    import sys
    from importlib.util import source_from_cache

    root = os.environ["DIGITS_ROOT"]
    roots = tuple({os.path.join(path, "") for path in (root, os.path.realpath(root))})
    libraries = tuple(os.path.join(path, "") for path in {sys.prefix, sys.base_prefix} if path.startswith(roots))
    notes = os.open(os.environ["DIGITS_OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    seen = set()

    def hook(event, arguments):
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        given = os.fsdecode(arguments[0])
        kind = "w" if arguments[2] & (os.O_WRONLY | os.O_RDWR) else "r"
        # os.open(name, dir_fd=...), as when a tree is removed, tells the last part of a path only: no file of the root.
        if kind == "r" and arguments[1] is None and os.sep not in given and not os.path.isfile(given):
            return
        name = os.path.abspath(given)
        below = [name[len(path) :] for path in roots if name.startswith(path)]
        if not below or name.startswith(libraries):
            return
        path = below[0]
        if path.endswith(".pyc"):
            if kind == "w":
                return
            path = source_from_cache(path) if "__pycache__" in path else path
        if (kind, path) not in seen:
            seen.add((kind, path))
            os.write(notes, f"{kind} {path}\n".encode(errors="replace"))

    sys.addaudithook(hook)


_watch()
del _watch
