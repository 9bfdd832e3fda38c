import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.util.UUID
import org.openapitools.client.apis.JobsApi
import org.openapitools.client.apis.MoneyApi
import org.openapitools.client.apis.UploadsApi
import org.openapitools.client.infrastructure.ApiClient
import org.openapitools.client.infrastructure.ClientError
import org.openapitools.client.infrastructure.Success
import org.openapitools.client.models.CreateJobRequest
import org.openapitools.client.models.CreateJobRequestInput
import org.openapitools.client.models.CreateUploadRequest
import org.openapitools.client.models.Job

/** The whole way of a photo by the generated client. */
fun main(given: Array<String>) {
    val (url, token, path) = given
    ApiClient.accessToken = token
    val photo = File(path).readBytes()
    val jobs = JobsApi(url)

    val balance: Long = MoneyApi(url).getBalance().balance
    val upload = UploadsApi(url).createUpload(CreateUploadRequest(bytes = photo.size.toLong(), contentType = "image/jpeg"))
    val put = HttpRequest.newBuilder(URI(upload.url.toString())).PUT(HttpRequest.BodyPublishers.ofByteArray(photo))
    for ((name, value) in upload.headers) put.header(name, value)
    val sent = HttpClient.newHttpClient().send(put.build(), HttpResponse.BodyHandlers.ofString())
    check(sent.statusCode() == 200) { "Upload: ${sent.statusCode()} ${sent.body()}" }

    val asked =
        CreateJobRequest(
            input = CreateJobRequestInput(uploadId = upload.id),
            model = CreateJobRequest.Model.realMinusEsrganMinusFast,
            scale = 2.toBigDecimal(),
            seed = 4_294_967_295,
        )
    val key = UUID.randomUUID().toString()
    val submitted = jobs.createJobWithHttpInfo(asked, null, idempotencyKey = key, cancelAfter = null, prefer = null)
    var job = (submitted as Success<*>).data as Job
    while (!job.terminal) {
        Thread.sleep(100)
        job = jobs.getJob(job.id)
    }
    val result: File = jobs.getJobOutput(job.id)
    val link = jobs.getJobOutputLink(job.id)
    val problem = jobs.getJobWithHttpInfo("job_00000000000000000000000000", null) as ClientError<*>
    val isWhole = result.length() == job.output?.bytes && link.bytes == job.output?.bytes
    val reserved = submitted.headers.entries.first { it.key.equals("X-Credits-Reserved", true) }.value.first()
    val code = Regex("\"code\":\"([a-z-]+)\"").find(problem.body.toString())?.groupValues?.get(1)
    println(
        """{"balance": $balance, "status": "${job.status}", "seed": ${job.parameters.seed}, "isWhole": $isWhole,
           "reserved": $reserved, "charged": ${job.charge.amount}, "problem": "$code"}"""
    )
}
