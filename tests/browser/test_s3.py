"""In Chromium, against a whole service with its objects on a real S3: the browser sends and fetches
files past the service, as the Content-Security-Policy and CORS let it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response, expect

from tests.browser.conftest import Watch
from tests.browser.test_browser import sign_up
from tests.conftest import VCF
from tests.e2e.service import running
from tests.e2e.test_story import objects_on

pytestmark = [pytest.mark.browser, pytest.mark.long]
#: Two parts: a header of some length.
LARGE = VCF.replace(
    b"#CHROM", b"".join(b"##pad=%s\n" % (b"x" * 999_990) for _ in range(9)) + b"#CHROM"
)


def test_a_file_goes_to_s3_and_its_result_comes_from_there(
    chromium: Browser, tmp_path: Path
) -> None:
    (tmp_path / "large.vcf").write_bytes(LARGE)
    with (
        objects_on("s3", tmp_path) as objects,
        running(GAS_FREE_MAX_UPLOAD_BYTES="20000000", **objects) as service,
    ):
        store = objects["GAS_S3_ENDPOINT"]
        watch, there = Watch(service.url, others=(store,)), list[tuple[str, int]]()

        def note(answer: Response) -> None:
            if answer.url.startswith(store):
                there.append((answer.request.method, answer.status))

        context = chromium.new_context(base_url=service.url)
        context.set_default_timeout(60_000)
        context.on("page", watch.page)
        context.on("response", note)
        page = context.new_page()
        sign_up(page)
        page.goto("/annotate/")
        page.get_by_label("VCF file").set_input_files(tmp_path / "large.vcf")
        page.get_by_role("button", name="Annotate").click()
        expect(page.get_by_role("heading", name="large.vcf")).to_be_visible(timeout=60_000)
        assert [one for one in there if one[0] == "PUT"] == [("PUT", 200)] * 2
        expect(page.locator(".big-status")).to_have_text("Completed", timeout=60_000)
        with page.expect_download() as download:
            page.get_by_role("link", name="large.annotated.vcf.gz", exact=True).click()
        assert download.value.url.startswith(store)
        assert download.value.suggested_filename == "large.annotated.vcf.gz"
        assert b"CSQ=" in gzip.decompress(download.value.path().read_bytes())
        context.close()
        assert watch.faults == []
