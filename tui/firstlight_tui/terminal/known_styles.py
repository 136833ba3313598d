"""Styles that were worked out once: a step that comes again, and a part like another one, need no search.

Textual 8 holds the rules of the style sheet against every new widget, 0.2 ms for each: a sixth of what a step took to
open. Which of them count depends on the path of a widget alone: on type, name, classes and state of all it stands in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.cache import LRUCache
from textual.css.model import RuleSet
from textual.css.styles import RulesMap
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

Path = tuple[object, ...]
MOST = 4_096
"""Paths whose rules are kept; a walk over all steps has some 600."""


class _Selected:
    """All rules for one set of selectors: the states that they ask about."""

    def __init__(self, rules: Iterable[RuleSet], uncertain: set[str]) -> None:
        own: set[str] = set()
        above: set[str] = set()
        for rule in rules:
            for selector_set in rule.selector_set:
                *others, last = selector_set.selectors
                own |= last.pseudo_classes
                above = above.union(*(selector.pseudo_classes for selector in others))
        self.by_path = (own | above).isdisjoint(uncertain)
        """Whether they depend on the path alone, not on sisters and children."""
        self.hover = "hover" in own | above
        self._own = [{state} for state in sorted(own)]
        self._above = [{state} for state in sorted(above)]

    def path_of(self, node: DOMNode) -> Path:
        """Return everything that decides which of the rules count for a node."""
        path = [
            (
                type(each),
                each._id,
                each.classes,
                *(each.has_pseudo_classes(state) for state in self._above),
            )
            for each in node.css_path_nodes
        ]
        return (*path, *(node.has_pseudo_classes(state) for state in self._own))


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of a search."""

    rules: RulesMap | None
    """None where no rule counts: the node keeps what it has."""
    given: RulesMap | None
    """Its values on a new node, each value as the node keeps it; None before a node was new."""


class KnownStyles(Stylesheet):
    """A style sheet that remembers what it found for a path, until it holds other rules, for another theme say."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._paths: LRUCache[Path, _Found] = LRUCache(MOST)
        self._selected: dict[frozenset[str], _Selected] = {}
        self._remembered: list[RuleSet] = []
        """The rules that everything here is of."""
        self.searches = 0
        """Number of paths that were new."""

    def apply(
        self,
        node: DOMNode,
        *,
        animate: bool = False,
        cache: dict[tuple[object, ...], RulesMap] | None = None,
    ) -> None:
        """Give a node the styles of its path."""
        if self.rules is not self._remembered:
            self._remembered = self.rules
            self._paths.clear()
            self._selected.clear()
        names = frozenset(self.rules_map.keys() & node._selector_names)
        if (selected := self._selected.get(names)) is None:
            rules = (rule for name in names for rule in self.rules_map[name])
            selected = _Selected(rules, self._EXCLUDE_PSEUDO_CLASSES_FROM_CACHE)
            self._selected[names] = selected
        if not selected.by_path:
            super().apply(node, animate=animate, cache=cache)
            return
        path = selected.path_of(node)
        if (known := self._paths.get(path)) is None:
            self.searches += 1
            is_new = not (node._is_mounted or node.styles.base.get_rules())
            found: dict[tuple[object, ...], RulesMap] = {}
            super().apply(node, animate=animate, cache=found)
            given = node.styles.base.get_rules() if is_new else None
            self._paths[path] = _Found(next(iter(found.values()), None), given)
            return
        node._has_hover_style = selected.hover
        node._has_focus_within = node._has_order_style = node._has_odd_or_even = False
        styles = node.styles.base
        if known.given is None or node._is_mounted or styles.get_rules():
            if known.rules is not None:
                self.replace_rules(node, known.rules, animate=animate)
        else:
            # Nothing of it is on the screen, so nobody needs to know which of the rules are others now.
            styles.merge_rules(known.given)
            node.notify_style_update()
        self._process_component_classes(node)
