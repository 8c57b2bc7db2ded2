import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.List;

import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.TimeStampResponse;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStamp;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStampGenerator;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.tsp.ers.ERSEvidenceRecordGenerator;

/**
 * Evidence records by Bouncy Castle, for tests: a command a line, its arguments in base64 after it.
 *
 * <p>verify RECORD DATA CERTIFICATE MILLISECONDS; request HASH DATA...; generate HASH REPLY DATA...;
 * renewal RECORD; renew RECORD REPLY; rehashing RECORD HASH DATA; rehash RECORD HASH DATA REPLY. The answer is
 * "ok" with what was made, or "no" and why.
 */
public final class EvidenceRecords {
    private static final DigestCalculatorProvider DIGESTS;

    static {
        try {
            DIGESTS = new JcaDigestCalculatorProviderBuilder().setProvider(new BouncyCastleProvider()).build();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private EvidenceRecords() {
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        String line;
        while ((line = lines.readLine()) != null) {
            String[] words = line.split(" ");
            byte[][] given = new byte[words.length - 1][];
            for (int n = 1; n < words.length; n++) {
                given[n - 1] = Base64.getDecoder().decode(words[n]);
            }
            StringBuilder answer = new StringBuilder("ok");
            try {
                for (byte[] made : run(words[0], given)) {
                    answer.append(' ').append(Base64.getEncoder().encodeToString(made));
                }
            } catch (Exception error) {
                answer = new StringBuilder("no " + error.toString().replace('\n', ' '));
            }
            System.out.println(answer);
        }
    }

    private static List<byte[]> run(String verb, byte[][] given) throws Exception {
        List<byte[]> made = new ArrayList<>();
        switch (verb) {
            case "verify": {
                ERSEvidenceRecord record = new ERSEvidenceRecord(given[0], DIGESTS);
                Date at = new Date(Long.parseLong(text(given[3])));
                record.validatePresent(new ERSByteData(given[1]), at);
                X509CertificateHolder signer = new X509CertificateHolder(given[2]);
                record.validate(
                    new JcaSimpleSignerInfoVerifierBuilder().setProvider(new BouncyCastleProvider()).build(signer));
                break;
            }
            case "request":
                made.add(tree(given, 1).generateTimeStampRequest(requests()).getEncoded());
                break;
            case "generate": {
                List<ERSArchiveTimeStamp> stamps =
                    tree(given, 2).generateArchiveTimeStamps(new TimeStampResponse(given[1]));
                for (ERSEvidenceRecord record : new ERSEvidenceRecordGenerator(DIGESTS).generate(stamps)) {
                    made.add(record.getEncoded());
                }
                break;
            }
            case "renewal":
                made.add(new ERSEvidenceRecord(given[0], DIGESTS)
                    .generateTimeStampRenewalRequest(requests()).getEncoded());
                break;
            case "renew":
                made.add(new ERSEvidenceRecord(given[0], DIGESTS)
                    .renewTimeStamp(new TimeStampResponse(given[1])).getEncoded());
                break;
            case "rehashing":
                made.add(new ERSEvidenceRecord(given[0], DIGESTS).generateHashRenewalRequest(
                    digest(given[1]), new ERSByteData(given[2]), requests()).getEncoded());
                break;
            case "rehash":
                made.add(new ERSEvidenceRecord(given[0], DIGESTS).renewHash(
                    digest(given[1]), new ERSByteData(given[2]), new TimeStampResponse(given[3])).getEncoded());
                break;
            default:
                throw new IllegalArgumentException("no such command: " + verb);
        }
        return made;
    }

    private static ERSArchiveTimeStampGenerator tree(byte[][] given, int first) throws Exception {
        ERSArchiveTimeStampGenerator generator = new ERSArchiveTimeStampGenerator(digest(given[0]));
        for (byte[] data : Arrays.copyOfRange(given, first, given.length)) {
            generator.addData(new ERSByteData(data));
        }
        return generator;
    }

    private static DigestCalculator digest(byte[] oid) throws Exception {
        return DIGESTS.get(new AlgorithmIdentifier(new ASN1ObjectIdentifier(text(oid))));
    }

    private static TimeStampRequestGenerator requests() {
        TimeStampRequestGenerator generator = new TimeStampRequestGenerator();
        generator.setCertReq(true);
        return generator;
    }

    private static String text(byte[] octets) {
        return new String(octets, StandardCharsets.US_ASCII);
    }
}
