"""Two filters made one serve what two proxies in a row would, as the proxy reads them."""

from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_api.render.tools.layers import Layer, stack
from vmcp_api.spec.aggregation import Aggregation, ToolOverride, WorkloadTools
from vmcp_proxy.core.catalog.filters import ToolNames, select_tools

SERVER = ("a", "b", "c", "d")
NEW = ("w", "x", "y", "z")


@st.composite
def layers(draw, names, new):
    """A layer over tools of some names, with new names that are all different."""
    renamed = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(new), max_size=3))
    overrides = {
        own: ToolOverride(name=name) for own, name in renamed.items() if list(renamed.values()).count(name) == 1
    }
    shown = [overrides[name].name if name in overrides else name for name in names]
    chosen = draw(st.lists(st.sampled_from([*names, *shown, "gone"]), unique=True, max_size=4))
    return Layer(tuple(chosen), overrides, draw(st.booleans()) and draw(st.booleans())), tuple(map(str, shown))


@st.composite
def stacks(draw):
    below, shown = draw(layers(SERVER, NEW))
    above, _ = draw(layers(shown, ("q", "r", "s")))
    return below, above


def serve(layer: Layer, tools: dict[str, str]) -> dict[str, str]:
    """What a proxy with this layer serves of tools (own name by the name that it sees), by the names that it gives."""
    renamed = {name: layer.overrides[name].name if name in layer.overrides else name for name in tools}
    entry = WorkloadTools(
        workload="one", filter=layer.filter, overrides=dict(layer.overrides), exclude_all=layer.is_closed
    )
    names = [ToolNames(name, str(renamed[name]), str(renamed[name])) for name in tools]
    served = select_tools(Aggregation(), entry, names).served
    return {str(renamed[name]): own for name, own in tools.items() if name in served}


@example((Layer(("w",), {"c": ToolOverride(name="w")}), Layer((), {"w": ToolOverride(name="q")})))
@given(stacks())
def test_one_layer_made_of_two_serves_the_same_tools_under_the_same_names(pair):
    below, above = pair
    tools = {name: name for name in SERVER}
    # Which of the two a filter means that names a tool both by the old and by the new name is said in one place.
    in_a_row = serve(above, serve(below, tools))
    assert serve(stack(below, above), tools) == in_a_row


@given(stacks())
def test_what_stands_above_never_brings_back_what_stands_below_leaves_out(pair):
    below, above = pair
    tools = {name: name for name in SERVER}
    assert set(serve(stack(below, above), tools).values()) <= set(serve(below, tools).values())
