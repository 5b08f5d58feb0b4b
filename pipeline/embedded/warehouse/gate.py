"""
What people outside may ask: queries, and nothing that reaches out of the database.

The engine has no users, so the gate judges before it. It judges the *parsed* query: the engine puts the text into its
canonical form (which refuses several statements), the engine shows the syntax tree of that form, and only what is on
the lists here passes. The canonical form is then what runs. Behind the gate, outside lanes are read-only as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.embedded.warehouse.allowed import (
    ALLOWED_KINDS,
    ALLOWED_SETTINGS,
    CAPPED_SETTINGS,
    DENIED_FUNCTIONS,
    DENIED_PREFIXES,
    DENIED_SYSTEM_TABLES,
    OUTPUT_CHILDREN,
    SCALAR_NAMESAKES,
    STATEMENT_KINDS,
    TRANSPORT_SETTINGS,
)
from pipeline.embedded.warehouse.faults import ACCESS_DENIED, READONLY, Fault
from pipeline.embedded.warehouse.lane import Lane
from pipeline.embedded.warehouse.lexer import NUMBER, QUOTED, STRING, WORD, Token, tokens
from pipeline.embedded.warehouse.statement import escaped_parameter
from pipeline.embedded.warehouse.tree import Node, parse_tree


@dataclass(frozen=True)
class Gate:
    """
    The judge of outside queries.

    Args:
        table_functions: Names of all table functions of the engine, in lower case.
        caps: Greatest value of each setting that may be set, but only so far.
    """

    table_functions: frozenset[str]
    caps: Mapping[str, float]

    def admit(self, lane: Lane, text: str, parameters: Mapping[str, str]) -> str:
        """
        Return the canonical form of a query that may run.

        Args:
            lane: Where to ask the engine; call it on that lane's thread.
            text: As it came.
            parameters: Values of its parameters.

        Raises:
            Fault: If it is no single statement (the parser's words), or not allowed.
        """
        asked = {"text": escaped_parameter(text)}
        canonical = _line(lane.query("SELECT formatQuerySingleLine({text:String})", "TSVRaw", asked).bytes())
        found = list(tokens(canonical.encode()))
        self._judge_tokens(found)
        self._judge_settings(found)
        listing = lane.query(f"EXPLAIN AST {canonical}", "LineAsString", parameters).bytes().decode()
        self._judge_tree(parse_tree(listing.split("\n")), found)
        return canonical

    def settings(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return those of the request's settings that concern the engine; refuse what may not be set."""
        wanted = {name: value for name, value in asked.items() if name not in TRANSPORT_SETTINGS}
        for name, value in wanted.items():
            self._judge_setting(name, value)
        return wanted

    def _judge_setting(self, name: str, value: str) -> None:
        if name in CAPPED_SETTINGS:
            cap = self.caps.get(name, 0)
            if _is_number(value) and 0 < float(value) <= cap:
                return
            raise Fault(READONLY, f"Setting {name} may be set to at most {cap:g} here")
        if name not in ALLOWED_SETTINGS:
            raise Fault(READONLY, f"Cannot modify '{name}' setting in readonly mode")

    def _judge_tokens(self, found: Sequence[Token]) -> None:
        """Refuse names that do not show in the tree everywhere (the function of APPLY, the condition of SHOW)."""
        for index, token in enumerate(found):
            follower = found[index + 1].text if index + 1 < len(found) else ""
            if token.is_word("OUTFILE", "INFILE"):
                raise _denied("INTO OUTFILE")
            if token.kind == QUOTED and (
                not token.name.isprintable() or "\\" in token.text or "(children" in token.text
            ):
                raise _denied("names with control characters")
            if token.kind in (WORD, QUOTED):
                before = found[index - 1] if index else None
                is_called = follower == "(" or (before is not None and before.is_word("APPLY"))
                if is_called and self._is_denied_function(token.name):
                    raise _denied(f"function {token.name}")
                if token.name.lower() == "identifier" and follower == "}":
                    raise _denied("parameters of type Identifier")
            if token.is_word("APPLY") and (index + 2 < len(found) and found[index + 2].text in ("(", "->")):
                raise _denied("APPLY of anything but the plain name of a function")

    def _judge_settings(self, found: Sequence[Token]) -> None:
        """Judge every assignment of every SETTINGS clause; what is no plain assignment is refused."""
        for index, token in enumerate(found):
            if not _is_settings(token):
                continue
            place, has_more = index + 1, True
            while has_more:
                name, equals, value, follower = (*found[place : place + 4], *(None,) * 4)[:4]
                is_plain = (
                    name is not None
                    and name.kind == WORD
                    and equals is not None
                    and equals.text == "="
                    and value is not None
                    and value.kind in (NUMBER, STRING, WORD)
                    and (follower is None or follower.text not in ("(", "[", "."))
                )
                if name is None or value is None or not is_plain:
                    raise _denied("SETTINGS with anything but plain values")
                self._judge_setting(name.text, value.text.strip("'"))
                has_more = follower is not None and follower.text == ","
                place += 4

    def _judge_tree(self, root: Node, found: Sequence[Token]) -> None:
        nodes = list(root.walk())
        if root.kind not in STATEMENT_KINDS:
            raise _denied(f"statements of this kind ({root.kind})")
        for node in nodes:
            if node.kind not in ALLOWED_KINDS and node.kind not in STATEMENT_KINDS:
                raise _denied(f"{node.kind}")
            if node.kind in STATEMENT_KINDS and any(child.kind not in OUTPUT_CHILDREN for child in node.children):
                raise _denied(f"{node.kind} with such a clause")
            if node.kind == "TableExpression" and any(child.kind == "Function" for child in node.children):
                raise _denied(f"table functions ({node.children[0].label})")
            if node.kind == "Function" and self._is_denied_function(node.label):
                raise _denied(f"function {node.label}")
            if node.kind in ("Identifier", "TableIdentifier") and node.label.lower() in DENIED_SYSTEM_TABLES:
                raise _denied(node.label)
        if root.kind.startswith("Show") and any(token.text in ("(", "{") for token in found):
            raise _denied("SHOW with conditions")
        clauses = sum(map(_is_settings, found))
        # The tree shows a Set for each clause but not what is in it; the tokens show what is in it. They must agree.
        sets = sum(node.kind == "Set" for node in nodes)
        # EXPLAIN has settings of its own without the word.
        if clauses > sets or (clauses < sets and root.kind != "Explain"):
            raise _denied("SETTINGS in a place where they are not understood")

    def _is_denied_function(self, name: str) -> bool:
        lowered = name.lower()
        return (
            lowered in DENIED_FUNCTIONS
            or lowered.startswith(DENIED_PREFIXES)
            or (lowered in self.table_functions and lowered not in SCALAR_NAMESAKES)
        )


def _is_settings(token: Token) -> bool:
    """Say whether this is the keyword: the canonical form has keywords in upper case (and `system.settings` not)."""
    return token.kind == WORD and token.text == "SETTINGS"


def _denied(what: str) -> Fault:
    return Fault(ACCESS_DENIED, f"Not enough privileges: {what} may not be used from outside; read tables and views")


def _line(answer: bytes) -> str:
    return answer.decode("utf-8", "replace").rstrip("\n")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
