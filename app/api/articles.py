"""Articles and collections over HTTP: listed, read, uploaded, corrected, removed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from app.answering.citations import link_to_quote
from app.answering.wire import head_json
from app.api.jobs import job_json
from app.api.models import (
    ArticleOut,
    ArticlePage,
    CollectionIn,
    CollectionList,
    CollectionOut,
    Correction,
    HeadOut,
    JobOut,
)
from app.api.pages import OnceRoute, identity_of, paged, read_cursor, runtime_of, view_of
from app.api.runner import Emit
from app.view import View
from ingest.uploads import upload_of
from vectorstore.analysis import WORD, content_terms, terms_held
from vectorstore.errors import QuestionError
from vectorstore.language import language_of

FILES = 20  # of one upload
HIGHLIGHTS = 500

articles_router = APIRouter(prefix="/api/v1", tags=["articles"], route_class=OnceRoute)


@articles_router.get("/articles", response_model=ArticlePage)
def list_articles(
    request: Request,
    collection: str | None = None,
    limit: int = Query(50, ge=1, le=100),
    cursor: str | None = None,
) -> Response:
    """List the articles, newest first."""
    heads = view_of(request).articles(collection)
    last = read_cursor(cursor, str)
    ids = [head.id for head in heads]
    if last is not None and last not in ids:
        msg = "The article at which the cursor stood is gone. Begin without a cursor."
        raise QuestionError(msg)
    begin = 0 if last is None else ids.index(last) + 1
    page, more = paged(heads[begin : begin + limit + 1], limit, lambda head: head.id)
    return JSONResponse({"items": [head_json(head) for head in page], "next_cursor": more})


@articles_router.get("/articles/{article_id}", response_model=ArticleOut)
def read_article(
    request: Request,
    article_id: str,
    start: int = Query(0, ge=0, le=100_000_000),
    end: int = Query(0, ge=0, le=100_000_000),
    query: str | None = Query(None, max_length=2_000),
) -> Response:
    """Return an article's current version with its text.

    `highlights` are the words between `start` and `end`, or those of `query`. `link` opens the
    original, at the words between `start` and `end` if these are given; it is null where the
    article is not on the web.
    """
    article = view_of(request).article(article_id)
    quote = article.text[start:end]
    highlights = [(start, min(end, len(article.text)))] if quote else []
    if query is not None:
        highlights += find_terms(article.text, query, article.head.language)
    link = link_to_quote(article.head, quote)
    found = {"text": article.text, "link": link, "highlights": highlights}
    return JSONResponse({**head_json(article.head), **found})


def find_terms(text: str, query: str, language: str | None = None) -> list[tuple[int, int]]:
    """Return where words of the query stand in a text, in any of their forms."""
    asked = language_of(query)
    wanted = frozenset(content_terms(query, asked))
    found: list[tuple[int, int]] = []
    for word in WORD.finditer(text):
        if len(found) == HIGHLIGHTS:
            break
        if wanted & terms_held(word.group(), language, query, asked):
            found.append(word.span())
    return found


@articles_router.post("/articles", response_model=JobOut, status_code=202)
async def upload_articles(
    request: Request,
    files: Annotated[list[UploadFile], File(description="Text, Markdown or HTML files.")],
    collection: Annotated[str | None, Form(max_length=100)] = None,
) -> Response:
    """Take in files; the job tells what became of each. The same file twice is one article."""
    if len(files) > FILES:
        msg = f"{len(files)} files were sent; at most {FILES} are taken at once."
        raise QuestionError(msg)
    uploads = [upload_of(file.filename or "", await file.read()) for file in files]
    view = await run_in_threadpool(view_of, request)
    target = await run_in_threadpool(view.target, collection)

    def work(emit: Emit) -> dict[str, Any]:
        return asdict(view.ingest(uploads, target, emit))

    return await run_in_threadpool(_start, request, view, "upload", work, target)


@articles_router.patch("/articles/{article_id}", response_model=JobOut, status_code=202)
def correct_article(request: Request, article_id: str, correction: Correction) -> Response:
    """Correct an article; what is left out stays as it is."""
    changes = json.loads(correction.model_dump_json(exclude_unset=True))
    if not changes:
        msg = "The correction changes nothing. Give a title, a text or another field."
        raise QuestionError(msg)
    view = view_of(request)
    view.identity.need("ingest")
    view.article(article_id)

    def work(emit: Emit) -> dict[str, Any]:
        return asdict(view.correct(article_id, changes, emit))

    return _start(request, view, "correct", work, article_id)


def _start(request: Request, view: View, kind: str, work: Any, target: str) -> Response:  # noqa: ANN401
    records = view.service.records
    note(request, view, kind, target)
    job = runtime_of(request).jobs.start(records, view.identity.subject, kind, work)
    headers = {"location": f"{request.scope.get('root_path', '')}/api/v1/jobs/{job.id}"}
    return JSONResponse(job_json(request, job), status_code=202, headers=headers)


@articles_router.delete("/articles/{article_id}", response_model=HeadOut)
def remove_article(request: Request, article_id: str) -> Response:
    """Remove an article from readers and from every index."""
    view = view_of(request)
    removed = view.remove(article_id)
    note(request, view, "remove", removed.uri)
    return JSONResponse(head_json(removed))


@articles_router.get("/collections", response_model=CollectionList)
def list_collections(request: Request) -> dict[str, Any]:
    """List the collections that you may see."""
    return {"items": [asdict(each) for each in view_of(request).collections()]}


@articles_router.post("/collections", response_model=CollectionOut, status_code=201)
def create_collection(request: Request, asked: CollectionIn) -> dict[str, Any]:
    """Create an empty collection."""
    view = view_of(request)
    made = view.create_collection(asked.name)
    note(request, view, "create collection", asked.name)
    return {"id": made, "name": asked.name.strip(), "articles": 0, "chunks": 0}


@articles_router.patch("/collections/{name:path}", response_model=CollectionOut)
def rename_collection(request: Request, name: str, asked: CollectionIn) -> dict[str, Any]:
    """Give a collection another name; its articles stay as they are."""
    view = view_of(request)
    view.rename_collection(name, asked.name)
    note(request, view, "rename collection", f"{name} → {asked.name}")
    return next(asdict(each) for each in view.collections() if each.name == asked.name.strip())


@articles_router.delete("/collections/{name:path}", status_code=204)
def delete_collection(request: Request, name: str) -> None:
    """Delete a collection with all its articles."""
    view = view_of(request)
    view.delete_collection(name)
    note(request, view, "delete collection", name)


def note(request: Request, view: View, action: str, target: str) -> None:
    """Note a write in the audit log."""
    identity = identity_of(request)
    address = request.client.host if request.client else None
    number = getattr(request.state, "request_id", None)
    view.service.records.audit.note(identity.subject, action, target, address, number)
