"""YAML as people mean it: 1e-3 is a number, 010 is ten, a key given twice or an alias is refused, and nothing runs."""

import re

import yaml

_NUMBERS = {
    "int": r"[-+]?[0-9][0-9_]*",
    "float": r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the numbers of YAML 1.2: its own take 1e-3 for text, 010 for 8 and 1:30 for 90."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):  # nine of nine of nine ... would be more than any machine holds
            event = self.peek_event()
            raise yaml.MarkedYAMLError(
                problem=f"got the alias *{event.anchor}; written out it is allowed", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        found = super().construct_mapping(node, deep=deep)
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"got {name!r} twice; each name once is allowed", problem_mark=key.start_mark
                )
            seen.add(name)
        return found

    def construct_number(self, node):
        return int(node.value)

    def construct_fraction(self, node):
        return float(re.sub(r"^([-+]?)\.(?=[inIN])", r"\1", node.value))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in kept if tag.rpartition(":")[2] not in _NUMBERS]
    for first, kept in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _shape in _NUMBERS.items():  # int first: the first that fits is taken
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_shape})\Z"), list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_fraction)


def load(text: str) -> object:
    """Return what some YAML says. Raises ValueError, in words with the line, for what is not allowed."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{place}{error.problem}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # letters that YAML does not have; a number of 10,000 digits
        raise ValueError(str(error)) from None
