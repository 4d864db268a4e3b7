"""The list at the left as a widget: a cursor that stays on its line, and folds."""

from collections.abc import Sequence

from .line import Line
from .lines import CursorLines
from .outline import Key, outline_rows
from .view import View


class OutlinePane(CursorLines):
    """Draws the view's checklist, steps and verifications."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._view: View | None = None

    def on_mount(self) -> None:
        self.show(self._content)

    def feed(self, view: View) -> None:
        """Draw another view."""
        self._view = view
        self.rebuild()
        self.place()

    @property
    def selected(self) -> Key | None:
        """What the cursor is on."""
        return self.cursor if isinstance(self.cursor, Key) else None

    def _content(self, width: int) -> Sequence[Line]:
        if self._view is None:
            return ()
        rows = outline_rows(self._view, width, self.size.height, self.unfolded)
        self.keys = [row.key for row in rows]
        return [row.line for row in rows]

    def action_unfold(self) -> None:
        key = self.selected
        if key is not None and key.kind == "more" and self._view is not None:
            self.unfolded.add(key)
            first = [i for i in self._view.state.items if i.plan.phase == key.id and i.done][3]
            self.cursor = Key("item", first.plan.id)
            self.rebuild()
            self.place()

    def action_fold(self) -> None:
        super().action_fold()
        self.place()
