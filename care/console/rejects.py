"""Messages that were refused (`/rejects`): by maker, model and firmware, then by reason."""

from datetime import datetime, timedelta
from typing import Final

from fastapi import Request
from nicegui import ui
from nicegui.events import ValueChangeEventArguments
from starlette.responses import Response

from care.console import words
from care.console.deprecations import DeprecationPanel
from care.console.frame import BUILT_WITHIN_S, WALL_ZONE, Frame, frame
from care.console.pieces import element, label, link, pill
from care.console.reject_messages import MessagesPart
from care.console.table import table
from care.console.texts import Say
from care.console.visitor import Console, to_sign_in
from contract.errors import ERRORS
from store import deprecation, reject_query
from store.reject_query import KindLine, Product, ProductLine, Wanted

COLUMNS: Final = ("code", "reason", "got", "times", "nodes", "last")
DAYS: Final = (1, 7, 30, 90)
USUAL_DAYS: Final = 7
MOST: Final = 100


def register(console: Console) -> None:
    """Serve the list."""

    @ui.page("/rejects", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request, node: str | None = None) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="rejects") as page:
            page.headline(visitor.say("rejects.title"))
            view = _List(page, node)
        await view.refresh()
        page.keep_fresh({"reject", "batch", "deprecated_use"}, view.refresh)
        return None


def product_name(say: Say, product: Product) -> str:
    """Maker and model as people say them; what never said who it is has no name."""
    name = " ".join(part for part in (product.maker, product.model) if part)
    return name or say("rejects.no_product")


class _List:
    """The refusals as one browser sees them. `node`: only what this node sent."""

    def __init__(self, page: Frame, node: str | None) -> None:
        self.page = page
        self.node = node
        self.days, self.code, self.text, self.payload = USUAL_DAYS, "", "", ""
        self.cards: dict[Product, _Card] = {}
        label(page.say("rejects.lead"), "lead", tag="p")
        self._filters()
        self.body = element("div", "products")
        self.none = label(page.say("rejects.none"), "note", tag="p")
        self.cut = label(page.say("rejects.more", n=MOST), "note", tag="p")
        self.messages = MessagesPart(page, self.wanted, self.refresh)
        self.deprecated = DeprecationPanel(page)

    def _filters(self) -> None:
        say = self.page.say
        with element("div", "filters"):
            ui.input(say("rejects.search"), on_change=self._searched).classes("search").props(
                "outlined clearable debounce=300 maxlength=100"
            )
            ui.input(say("rejects.search_payload"), on_change=self._searched_payload).classes(
                "search"
            ).props("outlined clearable debounce=300 maxlength=100")
            codes = {"": say("rejects.every_code")} | {c: c for c in sorted(ERRORS)}
            choice = ui.select(codes, value="", label=say("rejects.which_code"), with_input=True)
            choice.classes("filters__code").props("outlined").on_value_change(self._coded)
            days = {n: say("rejects.days", n=n) for n in DAYS}
            span = ui.toggle(days, value=self.days).classes("choices").props("no-caps unelevated")
            span.props["aria-label"] = say("rejects.span")
            span.on_value_change(self._spanned)
        if self.node:
            with element("p", "note"):
                label(say("rejects.of_node", node=self.node), tag="span")
                link("/rejects", "", say("rejects.of_all"))

    async def _searched(self, event: ValueChangeEventArguments[str | None]) -> None:
        self.text = (event.value or "").strip()
        await self.refresh()

    async def _searched_payload(self, event: ValueChangeEventArguments[str | None]) -> None:
        self.payload = event.value or ""
        await self.refresh()

    async def _coded(self, event: ValueChangeEventArguments[str | None]) -> None:
        self.code = event.value or ""
        await self.refresh()

    async def _spanned(self, event: ValueChangeEventArguments[int | None]) -> None:
        self.days = event.value or USUAL_DAYS
        await self.refresh()

    def wanted(self) -> Wanted:
        """What is looked for now."""
        return Wanted(
            since=self.page.console.now() - timedelta(days=self.days),
            code=self.code or None,
            text=self.text or None,
            node_id=self.node,
            payload=self.payload.encode("utf-8", "replace") or None,
        )

    async def refresh(self) -> None:
        """Show what the database says now; what somebody opened stays open."""
        page, wanted = self.page, self.wanted()
        staff_id = page.visitor.staff_id
        async with page.console.transaction() as conn:
            found = await reject_query.products(
                conn, staff_id=staff_id, wanted=wanted, limit=MOST + 1
            )
            kinds = {
                one.product: await reject_query.kinds(
                    conn, one.product, staff_id=staff_id, wanted=wanted, limit=MOST
                )
                for one in found[:MOST]
                if one.product in self.cards and self.cards[one.product].open
            }
            old = await deprecation.lines(
                conn, staff_id=staff_id, since=wanted.since, node_id=self.node, limit=MOST
            )
            await self.messages.refresh(conn, self.days, page.console.now())
        self.deprecated.show(old)
        self.none.visible, self.cut.visible = not found, len(found) > MOST
        self._show(found[:MOST], kinds)

    def _show(self, found: list[ProductLine], kinds: dict[Product, list[KindLine]]) -> None:
        for gone in set(self.cards) - {one.product for one in found}:
            self.cards.pop(gone).root.delete()
        for place, one in enumerate(found):
            if one.product not in self.cards:
                with self.body:
                    self.cards[one.product] = _Card(self.page, self, one.product)
            card = self.cards[one.product]
            card.root.move(self.body, place)
            card.show(one, kinds.get(one.product))


class _Card:
    """One product and firmware: a head that opens the list of its reasons."""

    def __init__(self, page: Frame, view: _List, product: Product) -> None:
        self.page, self.view = page, view
        self.product = product
        self.shown: tuple[ProductLine | None, list[KindLine] | None] = (None, None)
        say = page.say
        with element("section", "panel product") as self.root:
            self.root.props["aria-label"] = product_name(say, product)
            with element("div", "product__head"):
                with element("div"):
                    label(product_name(say, product), tag="h2")
                    firmware = product.firmware or say("rejects.no_firmware")
                    label(say("rejects.firmware", firmware=firmware), "panel__fine")
                self.codes = element("div", "pills")
                self.facts = element("div", "product__facts")
            self.expansion = ui.expansion(say("rejects.show")).classes("more")
            self.expansion.on_value_change(self._opened)
            with self.expansion:
                self.body = table([say(f"rejects.{key}") for key in COLUMNS])

    @property
    def open(self) -> bool:
        """Whether somebody looks into it."""
        return bool(self.expansion.value)

    async def _opened(self) -> None:
        if self.open:
            await self.view.refresh()

    def show(self, one: ProductLine, kinds: list[KindLine] | None) -> None:
        """Bring it up to date, its reasons only while it is open."""
        now = self.page.console.now()
        if one != self.shown[0]:
            self._head(one, now)
        if kinds is not None and kinds != self.shown[1]:
            self.body.clear()
            with self.body:
                for kind in kinds:
                    self._row(kind, now)
        self.shown = (one, kinds if kinds is not None else self.shown[1])

    def _head(self, one: ProductLine, now: datetime) -> None:
        say = self.page.say
        self.codes.clear()
        with self.codes:
            for code in one.codes[:8]:
                pill(code, "late" if code.startswith("W") else "open")
        self.facts.clear()
        with self.facts:
            label(say("rejects.times_n", n=one.times), "product__times")
            label(say("rejects.nodes_n", n=one.nodes), "panel__fine")
            first = words.moment(say, one.first_at, WALL_ZONE, now)
            last = words.moment(say, one.last_at, WALL_ZONE, now)
            label(say("rejects.between", first=first, last=last), "panel__fine")

    def _row(self, kind: KindLine, now: datetime) -> None:
        say = self.page.say
        with element("tr"):
            with element("td"):
                with link(f"/rejects/{kind.newest_id}", "code") as to:
                    label(kind.code, tag="span")
                to.props["aria-label"] = say("rejects.open", code=kind.code, place=kind.place)
                label(kind.place or say("rejects.whole"), "code code--fine")
            with element("td"):
                label(meaning(say, kind.code))
                label(kind.reason, "person__fine")
            label((kind.got or "")[:120], "code", tag="td")
            label(str(kind.times), tag="td")
            label(str(kind.nodes), tag="td")
            with element("td"):
                label(words.moment(say, kind.last_at, WALL_ZONE, now))
                first = words.moment(say, kind.first_at, WALL_ZONE, now)
                label(say("rejects.since", when=first), "person__fine")


def meaning(say: Say, code: str) -> str:
    """What a code means, in the reader's language."""
    known = ERRORS.get(code)
    if known is None:
        return code
    return known.zh.meaning if say.locale == "zh-CN" else known.en.meaning
