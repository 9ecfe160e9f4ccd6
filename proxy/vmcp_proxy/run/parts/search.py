"""Tool search over reloads: what of it a config leaves as it was is kept, and so are its indexes."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vmcp_api.pod_status import STORE_OK, STORE_UNAVAILABLE, SearchReport, StoreReport
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.optimizer import Embeddings
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.stack import BuildSearch
from vmcp_proxy.http_client import HttpClient
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidSecretError, MissingSecretError, header_value

if TYPE_CHECKING:
    from vmcp_proxy.search.embeddings.embedder import Embedder
    from vmcp_proxy.search.serving import Serving

logger: Final = logging.getLogger("vmcp.search")


class LiveSearch:
    """Follows `optimizer` of the config; what it does beside searches runs in `tasks`."""

    def __init__(self, metrics: Metrics, client: HttpClient, tasks: asyncio.TaskGroup) -> None:
        self._metrics: Final = metrics
        self._client: Final = client
        self._tasks: Final = tasks
        self._serving: Serving | None = None
        self._in_force: Serving | None = None
        self._embeddings: _Embeddings | None = None

    def follow(self, loaded: Loaded) -> BuildSearch | None:
        """What makes the layer of a config; None where it has none."""
        settings = loaded.config.config.optimizer
        if settings is None or not settings.enabled:
            self._in_force = None
            self._embed(None, loaded)
            return None
        if self._serving is None:
            # Imported where somebody searches: what ranks weighs more than the core.
            from vmcp_proxy.search.serving import Serving  # noqa: PLC0415

            self._serving = Serving(self._metrics)
            self._tasks.create_task(asyncio.to_thread(self._serving.warm), name="load what ranks tools")
        self._in_force = self._serving
        self._embed(settings.embeddings, loaded)
        return self._serving.following(settings, None if self._embeddings is None else self._embeddings.embedder)

    @property
    def limited(self) -> Collection[str]:
        """The tools of its own that take tokens; what is called through the other one takes those of its own name."""
        return () if self._in_force is None else self._in_force.limited

    @property
    def report(self) -> SearchReport | None:
        """What `/status` says of it; None where it is off."""
        if self._in_force is None:
            return None
        return SearchReport(self._in_force.ranking, None if self._embeddings is None else self._embeddings.report)

    def listed(self, catalog: Catalog) -> Catalog | None:
        """The list that is served in place of a catalog; None where that is served as it is."""
        return None if self._in_force is None else self._in_force.served(catalog).listed

    def beside(self, catalog: Catalog) -> Catalog:
        """What the proxy itself sees of a catalog: with what is to be told of tools that have the names of ours."""
        conflicts = () if self._in_force is None else self._in_force.conflicts(catalog)
        return replace(catalog, conflicts=catalog.conflicts + conflicts) if conflicts else catalog

    def close(self) -> None:
        """Ends what runs beside searches, and what they run in."""
        self._embed_no_more()
        if self._serving is not None:
            self._serving.close()

    def _embed_no_more(self) -> None:
        if self._embeddings is not None:
            self._embeddings.end()
            self._embeddings = None

    def _embed(self, settings: Embeddings | None, loaded: Loaded) -> None:
        """Follows the settings of a server of embeddings; vectors are kept as long as the same one is meant."""
        key, flaw = _api_key(settings, loaded)
        if self._embeddings is not None and not self._embeddings.is_for(settings, key, flaw):
            self._embed_no_more()
        if self._embeddings is None and settings is not None:
            self._embeddings = _Embeddings(settings, key, flaw)
            self._embeddings.begin(self._client, self._tasks)


class _Embeddings:
    """One server of embeddings, or the reason why there is none to ask."""

    def __init__(self, settings: Embeddings, key: SecretBytes | None, flaw: str) -> None:
        self._of: Final = (settings, key, flaw)
        self._lack = flaw
        self._task: asyncio.Task[None] | None = None
        self.embedder: Embedder | None = None

    def is_for(self, settings: Embeddings | None, key: SecretBytes | None, flaw: str) -> bool:
        """Whether it is the one that these settings mean."""
        return self._of == (settings, key, flaw)

    def begin(self, client: HttpClient, tasks: asyncio.TaskGroup) -> None:
        """Has the vectors of tools asked for from now on."""
        from vmcp_proxy.search.embeddings.opening import open_embedder  # noqa: PLC0415
        from vmcp_proxy.search.ranking.static_files import Unavailable  # noqa: PLC0415

        settings, key, flaw = self._of
        if flaw:
            return
        opened = open_embedder(client, settings, key)
        if isinstance(opened, Unavailable):
            self._lack = opened.reason
            return
        self.embedder = opened
        self._task = tasks.create_task(self._run(opened), name="ask for embeddings")

    async def _run(self, embedder: "Embedder") -> None:
        try:
            await embedder.run()
        except Exception as error:  # noqa: BLE001 - what asks a server that is never needed ends no process
            log_event(logger, logging.ERROR, "embeddings are asked for no more", error=describe_exception(error))
            self._lack, self.embedder = "it is asked no more after an error of ours, see the log", None

    def end(self) -> None:
        """Asks no more."""
        if self._task is not None:
            self._task.cancel()

    @property
    def report(self) -> StoreReport:
        """How it can be asked; what is wrong while it cannot."""
        state = None if self.embedder is None else self.embedder.state
        message = self._lack if state is None else state.trouble
        return StoreReport(STORE_UNAVAILABLE, message) if message else StoreReport(STORE_OK)


def _api_key(settings: Embeddings | None, loaded: Loaded) -> tuple[SecretBytes | None, str]:
    """The key, and why there is none where the settings name one."""
    ref = None if settings is None else settings.api_key_secret_ref
    if ref is None:
        return None, ""
    try:
        return header_value(loaded, ref), ""
    except (MissingSecretError, InvalidSecretError) as error:
        return None, str(error)
